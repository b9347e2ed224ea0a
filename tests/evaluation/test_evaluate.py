"""``evaluate`` on real runs and checkpoints: whose images, which classes, and where it is written."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from finetune.api.evaluation import evaluation_summary
from finetune.errors import DataError, FinetuneError, RunFolderError
from finetune.evaluation.azure_config import AzureConfig
from finetune.evaluation.evaluate import evaluate
from finetune.evaluation.wish import Wish
from finetune.model import open_saved
from finetune.run_folder import RunFolder
from finetune.training import train

CLASSES = ("circle", "cross", "square")


@pytest.fixture
def run(recipe_for):
    return train(recipe_for(**{"optim.epochs": 1, "data.split.validation": 0.5}))


@pytest.fixture
def multilabel_run(recipe_for, multilabel):
    return train(recipe_for(**multilabel, **{"optim.epochs": 1, "data.split.validation": 0.5}))


def files(folder):
    return sorted(path.name for path in folder.path.iterdir())


def test_a_run_on_its_own_images_scores_what_training_wrote(run):
    told = evaluate(run.path, device="cpu")
    assert told.folder.path == run.path / "evaluations" / "held-out"
    assert told.notes == []
    assert told.folder.read_metrics() == run.read_metrics()
    assert list(told.folder.read_predictions()) == list(run.read_predictions())
    written = "data.json label_errors.json metrics.json pictures predictions.jsonl reliability.json"
    assert files(told.folder) == written.split()
    assert evaluate(run.path, device="cpu").folder.path.name == "held-out-2"


def test_other_images_are_matched_by_class_name_and_all_are_measured(run, image_folder, tmp_path):
    other = tmp_path / "newer"
    shutil.copytree(image_folder / "square", other / "square")
    shutil.copytree(image_folder / "circle", other / "circle")
    told = evaluate(run.path, Wish(other), device="cpu")
    metrics = told.folder.read_metrics()["all"]
    assert told.folder.path == run.path / "evaluations" / "newer"
    assert metrics["images"] == 16
    assert [row["support"] for row in metrics["per_class"].values()] == [8, 0, 8]
    own = {line["path"]: line for line in evaluate(run.path, Wish(split="all"), device="cpu").folder.read_predictions()}
    for line in told.folder.read_predictions():
        same = own[str(image_folder / line["true"][0] / line["path"].rpartition("/")[2])]
        assert line["probabilities"] == pytest.approx(same["probabilities"], abs=1e-5)


def test_images_that_the_run_learned_from_are_counted_by_their_bytes(run, image_folder, tmp_path):
    copied = tmp_path / "elsewhere"
    shutil.copytree(image_folder, copied)
    told = evaluate(run.path, Wish(copied), device="cpu")
    learned = len(run.read_record()["data"]["findings"]["classes"]["train"]) * 4
    assert told.folder.read_data()["data"]["learned_from"] == learned == 12
    assert "learned from 12 of these 24 images" in told.notes[-1]
    alone = evaluate(run.path, Wish(split="validation"), device="cpu")
    assert not [note for note in alone.notes if "learned" in note]
    some = evaluate(run.path, Wish(copied, classes=["square"]), device="cpu")
    assert "learned from 4 of these 8 images" in some.notes[-1]
    assert some.folder.read_data()["data"]["counts"] == {"all": 8}


@pytest.mark.parametrize(("written", "there", "learned"), [(True, False, 12), (False, True, 12), (False, False, None)])
def test_what_a_run_learned_from_is_known_by_what_it_wrote_else_by_its_images(
    run, image_folder, tmp_path, written, there, learned
):
    if not written:
        run.digests.unlink()
    if not there:
        run.update_record({"data": {**run.read_record()["data"], "root": str(tmp_path / "gone")}})
    told = evaluate(run.path, Wish(image_folder), device="cpu")
    assert told.folder.read_data()["data"].get("learned_from") == learned
    assert [note for note in told.notes if "nobody can tell whether it learned" in note] == told.notes[:1] * (
        learned is None
    )


def test_training_images_in_a_split_of_the_runs_own_data_are_counted_too(run):
    told = evaluate(run.path, Wish(split="train"), device="cpu")
    assert "learned from 12 of these 12 images" in told.notes[-1]
    other = evaluate(run.path, Wish(split="validation", overrides={"data.split.seed": 7}), device="cpu")
    assert other.folder.read_data()["data"]["learned_from"] > 0
    assert not [note for note in other.notes if "not what they were" in note]


def test_images_that_tuned_the_decision_are_told_when_they_come_by_another_name(run, image_folder, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(run.path, copied)
    told = evaluate(copied, Wish(image_folder), calibrate=True, device="cpu")
    tuned = told.folder.read_data()["data"]["tuned_on"]
    assert tuned == RunFolder(copied).read_metrics()["validation"]["images"] > 0
    assert f"{tuned} of these 24 images tuned" in told.notes[-1]


def test_a_threshold_for_one_label_an_image_is_refused_before_anything_is_scored(run):
    with pytest.raises(DataError, match="a threshold does nothing; leave out --threshold"):
        evaluate(run.path, Wish(threshold=0.7), device="cpu", on_batch=lambda images: pytest.fail("scored"))


def test_some_classes_leave_out_other_images_and_choose_among_these_alone(run, image_folder):
    folder = evaluate(run.path, Wish(image_folder, classes=["square", "circle"]), device="cpu").folder
    metrics = folder.read_metrics()["all"]
    assert list(metrics["per_class"]) == ["circle", "square"]
    assert metrics["images"] == 16
    for line in folder.read_predictions():
        assert set(line["probabilities"]) == {"circle", "square"}
        assert sum(line["probabilities"].values()) == pytest.approx(1.0)
    with pytest.raises(DataError, match="class 'squre' is not among the 3 classes; did you mean 'square'"):
        evaluate(run.path, Wish(image_folder, classes=["squre"]), device="cpu")


def test_a_recipe_names_data_and_how_they_are_split(run, image_folder, tmp_path):
    recipe = tmp_path / "other.yaml"
    recipe.write_text(f"task: multiclass\ndata: {{kind: folder, root: {image_folder}, split: {{test: 0.25}}}}\n")
    assert set(evaluate(run.path, Wish(recipe), device="cpu").folder.read_metrics()) == {"test"}
    found = evaluate(run.path, Wish(recipe, overrides={"data.split.test": 0.5}), device="cpu").folder.read_metrics()
    assert found["test"]["images"] == 12


def test_labels_that_a_table_does_not_know_are_unknown(multilabel_run, image_table, tmp_path):
    table = tmp_path / "new"
    shutil.copytree(image_table / "images", table / "images")
    (table / "labels.csv").write_text("filename,cross,circle\n0.png,1,0\n1.png,0,1\n2.png,1,1\n")
    columns = {"data.label_columns": ["cross", "circle"]}
    folder = evaluate(multilabel_run.path, Wish(table, overrides=columns), device="cpu").folder
    rows = folder.read_metrics()["all"]["per_class"]
    assert {name: row["known"] for name, row in rows.items()} == {"circle": 3, "cross": 3, "square": 0}
    assert {name: row["support"] for name, row in rows.items()} == {"circle": 2, "cross": 2, "square": 0}


def test_a_checkpoint_is_evaluated_by_wordnet_ids_in_sorted_order(tiny_vit, tmp_path):
    photos = tmp_path / "val"
    ids = [f"n0{i}440764" for i in range(5)]
    for i, wordnet in enumerate(ids):
        (photos / wordnet).mkdir(parents=True)
        for image in range(2):
            pixels = np.random.default_rng(10 * i + image).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(photos / wordnet / f"{image}.png")
    folder = evaluate(tiny_vit, Wish(photos, top_k=3, out=tmp_path / "out"), device="cpu").folder
    lines = list(folder.read_predictions())
    labels = open_saved(tiny_vit).labels.names
    truth = [labels[ids.index(line["path"].split("/")[-2])] for line in lines]
    assert [line["true"] for line in lines] == [[name] for name in truth]
    metrics = folder.read_metrics()["all"]
    top = [list(line["probabilities"])[:3] for line in lines]
    assert metrics["top3_accuracy"] == np.mean([name in names for name, names in zip(truth, top, strict=True)])
    assert metrics["accuracy"] == np.mean([name == names[0] for name, names in zip(truth, top, strict=True)])


def test_a_checkpoint_needs_data_and_a_folder_that_is_full_is_refused(tiny_vit, image_folder, tmp_path):
    with pytest.raises(DataError, match="it is no run, so it has no data; say what to evaluate on, as in --data"):
        evaluate(tiny_vit, device="cpu")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the model has no class 'circle'"):
        evaluate(tiny_vit, Wish(image_folder, out=tmp_path / "new"), device="cpu")
    with pytest.raises(RunFolderError, match="this is none; name a run folder"):
        evaluate(tiny_vit, tune_thresholds=True, device="cpu")


def test_tuning_afterwards_is_what_tuning_at_the_end_of_training_is(recipe_for, multilabel):
    more = {**multilabel, "optim.epochs": 1, "data.split.validation": 0.5}
    tuned = {"evaluate.thresholds": "tuned", "evaluate.calibration": "temperature"}
    at_once = train(recipe_for(**more, **tuned, **{"run.name": "at-once"}))
    later = train(recipe_for(**more, **{"run.name": "later"}))
    assert not (later.model / "decision.json").exists()
    (later.exports / "mlflow").mkdir(parents=True)
    told = evaluate(later.path, tune_thresholds=True, calibrate=True, device="cpu")
    assert told.folder == later
    assert [note.partition("; ")[2] for note in told.notes] == [
        f"write them again by deit-finetune export {later} --to mlflow"
    ]
    assert not later.evaluations.exists()
    assert (later.model / "decision.json").read_text() == (at_once.model / "decision.json").read_text()
    assert later.read_tuning() == at_once.read_tuning()
    assert later.read_metrics() == at_once.read_metrics()
    again = evaluate(later.path, device="cpu").folder
    assert again.read_metrics() == later.read_metrics()  # the images that tuned do not judge themselves
    assert again.read_reliability() == later.read_reliability()


def test_images_that_changed_since_training_do_not_tune(run, image_folder, recipe_for, tmp_path):
    other = tmp_path / "copy"
    shutil.copytree(image_folder, other)
    own = train(recipe_for(**{"data.root": str(other), "optim.epochs": 1, "run.name": "own"}))
    next((other / "circle").iterdir()).unlink()
    with pytest.raises(FinetuneError, match="not what they were when it was trained"):
        evaluate(own.path, calibrate=True, device="cpu")
    told = evaluate(own.path, device="cpu")
    assert told.notes == ["the run's images or labels are not what they were when it was trained"]


def test_azures_names_are_written_beside_ours(multilabel_run, image_table):
    config = AzureConfig(("f1_score_macro", "iou", "accuracy"), threshold=0.25)
    folder = evaluate(multilabel_run.path, Wish(image_table, config=config), device="cpu").folder
    ours, theirs = folder.read_metrics()["all"], folder.read_azure()["all"]
    assert theirs == {"f1_score_macro": ours["f1_macro"], "iou": ours["iou_samples"], "accuracy": ours["accuracy"]}
    for line in folder.read_predictions():
        assert set(line["predicted"]) == {name for name, p in line["probabilities"].items() if p >= 0.25}


def test_the_command_prints_the_table_and_where_it_lies(run, image_folder, command, tmp_path):
    done = command("evaluate", str(run.path), "--data", str(image_folder), "--out", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    assert "95 % interval" in done.stdout
    assert done.stdout.rstrip().endswith(f"written: {tmp_path / 'new'}")
    said = json.loads((tmp_path / "new" / "data.json").read_text())
    assert said["classes"] == list(CLASSES)
    assert said["data"]["counts"] == {"all": 24}
    again = command("evaluate", str(run.path), "--data", str(image_folder), "--out", str(tmp_path / "new"))
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_the_summary_of_an_evaluation_says_what_is_suspected(run):
    folder = evaluate(run.path, device="cpu").folder
    row = {"split": "validation", "path": "a.png", "given": ["circle"], "suspected": ["cross"], "score": 0.9}
    swapped = {"split": "validation", "given": "circle", "suspected": "cross", "images": 4, "of": 4}
    folder.write_label_errors({"assumed_noise": 0.05, "images": [row], "classes": [swapped]})
    text = evaluation_summary(folder)
    assert "a.png: circle, looks like cross (0.90)" in text
    assert "4 of 4 images of circle look like cross; were the classes swapped?" in text


def test_from_python_an_evaluation_and_a_comparison_are_held_and_printed(run, image_folder):
    import finetune

    opened = finetune.open_run(run.path, device="cpu")
    one = finetune.evaluate(opened, image_folder, name="one", device="cpu")
    other = finetune.evaluate(str(run.path), image_folder, name="other", classes=list(CLASSES), device="cpu")
    assert one.metrics["all"]["images"] == 24
    assert one.path == run.path / "evaluations" / "one"
    assert set(one.reliability) == {"all"}
    assert "95 % interval" in str(one)
    found = finetune.compare(one, other)
    assert found.images == 24
    assert "they decide every image alike" in str(found)
