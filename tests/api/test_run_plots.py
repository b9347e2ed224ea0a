"""Pictures of a run: the right numbers in them, and words where there is nothing to draw."""

from __future__ import annotations

import io

import pytest
from PIL import Image

import finetune
from finetune.errors import DataError


def is_png(figure) -> bool:
    """Whether a notebook gets a picture, with something on it."""
    image = Image.open(io.BytesIO(figure._repr_png_()))
    return image.format == "PNG" and len(image.getcolors(2**24) or []) > 10


def test_curves_show_both_losses_and_mark_the_saved_model(run):
    figure = run.plots.curves()
    loss, metrics = figure.axes
    lines = {line.get_label(): [float(y) for y in line.get_ydata()] for line in loss.get_lines()}
    assert lines["training"] == pytest.approx([2 / 3, 2 / 6])
    assert lines["validation"] == pytest.approx([1 / 3, 1 / 6])
    assert list(loss.get_lines()[-1].get_xdata()) == [2.0, 2.0]
    assert [line.get_label() for line in metrics.get_lines()] == ["accuracy", "f1_macro", "saved model"]
    assert is_png(figure)


def test_curves_of_a_run_without_evaluations_are_refused_in_words(make_run):
    run = make_run()
    run.folder.history.unlink()
    with pytest.raises(DataError, match="nothing was evaluated during training, so there are no curves"):
        run.plots.curves()


def test_the_confusion_matrix_writes_its_counts(run):
    figure = run.plots.confusion_matrix()
    texts = [int(text.get_text()) for text in figure.axes[0].texts]
    assert texts == [count for row in run.metrics["validation"]["confusion_matrix"] for count in row]
    assert sum(texts) == 6
    assert is_png(figure)


def test_several_labels_an_image_have_no_confusion_matrix(multilabel_run):
    with pytest.raises(DataError, match=r"no confusion matrix; plots\.per_class\(\) is for every task"):
        multilabel_run.plots.confusion_matrix()


def test_a_split_that_was_not_scored_is_named(run):
    with pytest.raises(DataError, match="test was not scored; validation was"):
        run.plots.predictions(split="test")


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_scores_of_each_class_are_drawn(run, multilabel_run, task):
    figure = {"multiclass": run, "multilabel": multilabel_run}[task].plots.per_class()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [label.split(" (")[0] for label in labels] == ["can", "carton"]
    assert is_png(figure)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_predictions_show_mistakes_first_and_say_what_is_true(run, multilabel_run, task):
    chosen = {"multiclass": run, "multilabel": multilabel_run}[task]
    wrong = [row for row in chosen.predictions if row["predicted"] != row["true"]]
    assert wrong
    figure = chosen.plots.predictions(n=6)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == 6
    assert all("true: " in title for title in titles[: len(wrong)])
    assert not any("true: " in title for title in titles[len(wrong) :])
    assert is_png(figure)


def test_an_image_that_never_was_a_file_is_shown_from_the_data_set(make_run):
    run = make_run()
    rows = [{**row, "path": f"hub/{i}"} for i, row in enumerate(run.predictions)]
    run.folder.write_predictions(rows)
    assert is_png(finetune.open_run(run.path).plots.predictions(n=2))


def test_an_image_is_shown_beside_its_probabilities(run, multilabel_run):
    path = next(run.predictions)["path"]
    (expected,) = run.predict(path)
    image, bars = run.show(path).axes
    assert image.get_title() == path.rpartition("/")[2]
    assert [label.get_text() for label in bars.get_yticklabels()] == list(expected.probabilities)
    assert [bar.get_width() for bar in bars.patches] == pytest.approx(list(expected.probabilities.values()))
    assert len(bars.get_lines()) == 0
    (threshold,) = multilabel_run.show(Image.new("RGB", (9, 9))).axes[1].get_lines()
    assert list(threshold.get_xdata()) == [0.5, 0.5]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_the_data_are_shown_with_their_labels_and_counted(run, multilabel_run, task):
    from finetune.plots import class_counts

    chosen = {"multiclass": run, "multilabel": multilabel_run}[task]
    titles = [axes.get_title() for axes in chosen.plots.data(n=4).axes]
    assert set(titles) <= {"can", "carton", "can, carton", "none"}
    bars = class_counts(chosen.data).axes[0].patches
    assert sum(bar.get_width() for bar in bars) == 12
    with pytest.raises(DataError, match="there is no split 'val'; there are train, validation"):
        chosen.plots.data(split="val")


def test_an_evaluation_draws_its_own_predictions(run, photos):
    found = finetune.evaluate(run, photos / "folders")
    matrix = found.plots.confusion_matrix()
    assert sum(int(text.get_text()) for text in matrix.axes[0].texts) == found.metrics["all"]["images"] == 12
    titles = [axes.get_title() for axes in found.plots.predictions(n=12).axes if axes.get_title()]
    wrong = sum(line["predicted"] != line["true"] for line in found.predictions)
    assert [len(titles), sum("true: " in title for title in titles)] == [12, wrong]
    for figure in (found.plots.per_class(), found.plots.precision_recall(), found.plots.reliability()):
        assert is_png(figure)
    with pytest.raises(DataError, match="validation was not scored; all was"):
        found.plots.per_class("validation")
