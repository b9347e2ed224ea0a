"""Cross-validation of real, tiny runs: complete, gathered, resumed, and predicting together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import finetune
from finetune.errors import DataError, RecipeError, RunFolderError
from finetune.predict import Predictor
from finetune.recipe import dump_recipe
from finetune.run_folder import RunFolder
from finetune.search import crossval
from finetune.training import Interrupted

QUICK = {"optim.max_steps": 2, "data.split.validation": 0.0}


@pytest.fixture(scope="module")
def three(tmp_path_factory, tiny_vit, image_folder):
    """24 images of 3 classes in 3 folds."""
    root = tmp_path_factory.mktemp("three")
    recipe = {
        "task": "multiclass",
        "data": {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.25}},
        "model": {"checkpoint": str(tiny_vit)},
        "optim": {"preset": "plain", "epochs": 2, "batch_size": 8, "learning_rate": 2e-3},
        "run": {"root": str(root), "name": "marks", "precision": "fp32", "tracking": []},
    }
    return finetune.crossval(recipe, 3)


def test_every_image_is_predicted_once_by_a_model_that_did_not_see_it(three, image_folder):
    lines = list(three.predictions)
    assert sorted(line["path"] for line in lines) == sorted(map(str, image_folder.rglob("*.png")))
    for fold, run in enumerate(three.folds, start=1):
        held_out = {line["path"] for line in lines if line["fold"] == fold}
        seen = set(run.data.datasets["train"]["path"]) | set(run.data.datasets["validation"]["path"])
        assert held_out == set(run.data.datasets["test"]["path"])
        assert not held_out & seen
        assert len(held_out | seen) == 24


def test_the_mean_is_that_of_the_folds_test_metrics_and_out_of_fold_that_of_all_predictions(three):
    scores = [run.metrics["test"]["accuracy"] for run in three.folds]
    assert three.metrics["mean"]["accuracy"] == pytest.approx(np.mean(scores))
    assert [fold["accuracy"] for fold in three.metrics["folds"]] == scores
    hits = [line["predicted"] == line["true"] for line in three.predictions]
    together = three.metrics["out_of_fold"]
    assert together["images"] == 24
    assert together["accuracy"] == pytest.approx(np.mean(hits))
    truth = [line["probabilities"][line["true"][0]] for line in three.predictions]
    assert together["loss"] == pytest.approx(-np.mean(np.log(truth)))


def test_the_folder_opens_as_the_mean_of_its_models(three, image_folder):
    images = sorted(image_folder.rglob("*.png"))[:5]
    apart = [run.predict(images) for run in three.folds]
    for place, said in enumerate(finetune.open_run(three.path).predict(images)):
        for name in three.labels.names:
            mean = np.mean([one[place].probabilities[name] for one in apart])
            assert said.probabilities[name] == pytest.approx(mean, abs=1e-9)
        assert said.predicted == [max(said.probabilities, key=said.probabilities.get)]


def test_pictures_of_the_whole_set_can_be_drawn(three):
    assert three.plots.predictions(n=2, split="out_of_fold").axes
    assert "3 folds: accuracy" in repr(three)
    assert len(three.data.datasets["out_of_fold"]) == 24


def test_the_command_line_predicts_with_all_models(three, command, image_folder):
    image = str(image_folder / "cross" / "1.png")
    done = command("predict", str(three.path), image)
    assert done.returncode == 0, done.stderr
    (said,) = three.predict([image])
    assert json.loads(done.stdout)["probabilities"] == pytest.approx(said.probabilities)


def test_after_an_interruption_finished_folds_are_not_trained_again(recipe_for, monkeypatch):
    from finetune.search import folds as place

    recipe, train = recipe_for(**QUICK), place.train

    def stops_in_fold_2(recipe, **options):
        if recipe.data.split.fold == 2:
            raise Interrupted("stopped after step 1")
        return train(recipe, **options)

    monkeypatch.setattr(place, "train", stops_in_fold_2)
    with pytest.raises(Interrupted, match=r"stopped after step 1 \(crossval goes on with all of .*tiny-crossval\)"):
        crossval(recipe, 3)
    folder = RunFolder(f"{recipe.run.root}/tiny-crossval")
    assert folder.status == "interrupted"
    before = (folder.path / "fold-1/record.json").read_bytes()
    trained = []
    monkeypatch.setattr(
        place, "train", lambda recipe, **options: trained.append(recipe.data.split.fold) or train(recipe, **options)
    )
    with pytest.raises(RunFolderError, match=r"the recipe has changed since it began: data\.split\.folds"):
        crossval(recipe, 2, resume=True)
    assert crossval(recipe, 3, resume=True).path == folder.path
    assert trained == [2, 3]
    assert (folder.path / "fold-1/record.json").read_bytes() == before
    assert folder.status == "finished"


def test_a_multilabel_set_with_two_heads_is_cross_validated_too(recipe_for, multilabel, tiny_distilled):
    recipe = recipe_for(
        **multilabel, **{"model.checkpoint": str(tiny_distilled), "optim.max_steps": 1, "evaluate.flip": True}
    )
    found = finetune.open_run(crossval(recipe, 2).path)
    lines = list(found.predictions)
    assert len(lines) == 21
    hits = [set(line["predicted"]) == set(line["true"]) for line in lines]
    assert found.metrics["out_of_fold"]["accuracy"] == pytest.approx(np.mean(hits))
    assert found.predictor.flip
    line = lines[0]
    fold = found.folds[line["fold"] - 1]
    assert fold.predict([line["path"]])[0].probabilities == pytest.approx(line["probabilities"], abs=1e-5)


def test_the_command_line_prints_mean_and_interval(recipe_for, command, tmp_path):
    file = tmp_path / "marks.yaml"
    file.write_text(dump_recipe(recipe_for(**QUICK)))
    done = command("crossval", str(file), "--folds", "2")
    assert done.returncode == 0, done.stderr
    assert "mean of 2 folds" in done.stdout
    assert "accuracy" in done.stdout
    assert " ± " in done.stdout
    assert "tiny-crossval IMAGE" in done.stdout


def test_more_folds_than_the_smallest_class_has_images_leave_no_folder_behind(recipe_for):
    recipe = recipe_for()
    with pytest.raises(DataError, match=r"data.split.folds: found 9, but class 'circle' has only 8 images that may be"):
        crossval(recipe, 9)
    with pytest.raises(RecipeError, match=r"data.split.folds: found 1, expected a whole number of at least 2"):
        crossval(recipe, 1)
    assert not list(Path(recipe.run.root).glob("*"))


def test_an_ensemble_that_lost_a_member_says_which(three, tmp_path):
    copied = tmp_path / "copied"
    shutil.copytree(three.path, copied)
    shutil.rmtree(copied / "fold-2")
    with pytest.raises(RunFolderError, match=r"fold-2: there is no such run folder"):
        _ = finetune.open_run(copied).predictor


def test_models_of_other_classes_are_no_ensemble(three, tiny_vit):
    from finetune.errors import CheckpointError
    from finetune.model import open_saved
    from finetune.predict import Ensemble

    other = open_saved(tiny_vit)
    other.model.config.problem_type = "single_label_classification"
    with pytest.raises(CheckpointError, match=r"model 2 of the ensemble is multiclass of .* but the first is"):
        Ensemble([three.folds[0].predictor, Predictor(other)])
