"""finetune() and load_data(): what may be given, and what comes back."""

from __future__ import annotations

import pytest

import finetune
from finetune.errors import RecipeError, RunFolderError, UnreachableError
from finetune.recipe import dump_recipe


@pytest.fixture
def unreachable(image_folder):
    """A recipe, as a mapping, whose data cannot be had and whose offline section names some that can."""
    return {
        "task": "multiclass",
        "data": {"kind": "folder", "root": "nowhere", "download": {"url": "http://127.0.0.1:9/photos.zip"}},
        "offline": {"data.root": str(image_folder)},
    }


def test_a_recipe_file_and_overrides_go_in_and_a_run_that_predicts_comes_out(recipe_for, tmp_path, image_folder):
    file = tmp_path / "marks.yaml"
    file.write_text(dump_recipe(recipe_for(**{"run.name": None})))
    run = finetune.finetune(file, **{"optim.epochs": 1, "run.name": "once"})
    assert run.path == tmp_path / "runs" / "once"
    assert run.recipe.optim.epochs == 1
    assert [line["epoch"] for line in run.history] == [1.0]
    recorded = list(run.predictions)
    assert {row["split"] for row in recorded} == {"validation"}
    for prediction, row in zip(run.predict([row["path"] for row in recorded]), recorded, strict=True):
        assert prediction.predicted == row["predicted"]
        assert prediction.probabilities == pytest.approx(row["probabilities"], abs=1e-5)
    assert finetune.open_run(run.path).metrics == run.metrics
    assert run.plots.curves().axes


@pytest.mark.parametrize("form", ["recipe", "mapping"])
def test_a_loaded_recipe_and_a_mapping_will_do(recipe_for, form):
    recipe = recipe_for(**{"optim.epochs": 1})
    given = recipe if form == "recipe" else recipe.model_dump(mode="json")
    again = [finetune.finetune(given, **{"evaluate.thresholds": 0.25}) for _ in range(2)]
    assert [run.path.name for run in again] == ["tiny", "tiny-2"]
    assert again[0].recipe.evaluate.thresholds == 0.25


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("checkpoint", ["tiny_vit", "tiny_distilled"])
def test_transformers_pipeline_gives_the_same_probabilities_untold(recipe_for, multilabel, request, task, checkpoint):
    from transformers import pipeline

    several = multilabel if task == "multilabel" else {}
    overrides = {**several, "model.checkpoint": str(request.getfixturevalue(checkpoint)), "optim.epochs": 1}
    recipe = recipe_for().model_dump(mode="json")
    if several:
        recipe["data"] = overrides.pop("data")
    run = finetune.finetune(recipe, **overrides)
    paths = [row["path"] for row in run.predictions]
    classify = pipeline("image-classification", model=str(run.path / "model"), device="cpu")
    theirs = [{row["label"]: row["score"] for row in rows} for rows in classify(paths, top_k=3)]
    ours = [prediction.probabilities for prediction in run.predict(paths)]
    assert len(ours) >= 4
    for mine, their in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(their, abs=1e-5)


def test_an_override_that_does_not_exist_is_refused_before_anything_is_read(recipe_for):
    with pytest.raises(RecipeError, match=r"optim\.epoch: unknown key; did you mean epochs\?"):
        finetune.finetune(recipe_for(), **{"optim.epoch": 3})


def test_there_must_be_something_to_resume(recipe_for):
    with pytest.raises(RunFolderError, match="no interrupted run to resume"):
        finetune.finetune(recipe_for(), resume=True)


def test_data_load_without_a_checkpoint_and_without_training(image_folder, tmp_path):
    recipe = {
        "task": "multiclass",
        "data": {"kind": "folder", "root": str(image_folder)},
        "run": {"root": str(tmp_path)},
    }
    splits = finetune.load_data(recipe, **{"data.split.validation": 0.5})
    assert {name: len(split) for name, split in splits.datasets.items()} == {"train": 12, "validation": 12}
    assert list(tmp_path.iterdir()) == []


def test_data_that_stand_in_are_said_so(unreachable, capsys):
    splits = finetune.load_data(unreachable)
    assert len(splits.labels) == 3
    assert "The data cannot be reached: http://127.0.0.1:9/photos.zip" in capsys.readouterr().err


def test_nothing_stands_in_where_that_is_forbidden(unreachable):
    with pytest.raises(UnreachableError, match=r"photos\.zip"):
        finetune.load_data(unreachable, fallback=False)
