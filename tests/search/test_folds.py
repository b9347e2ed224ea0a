"""Cross-validation of real, tiny runs: complete, gathered, resumed, and predicting together."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from transformers import TrainerCallback

import finetune
from finetune.errors import DataError, RecipeError, RunFolderError
from finetune.predict import Predictor
from finetune.recipe import dump_recipe
from finetune.recipe.reference import reference
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


def test_the_reference_explains_every_key_of_the_metrics_of_a_cross_validation(three):
    section = reference().partition("## Files of other verbs\n")[2].partition("\n## ")[0]
    assert [key for key in three.metrics if f"\n| `{key}` |" not in section] == []
    assert {"folds", "mean", "interval", "out_of_fold"} == set(three.metrics)
    assert [type(three.metrics[key]) for key in ("folds", "mean")] == [list, dict]
    low, high = three.metrics["interval"]["accuracy"]
    assert low <= three.metrics["mean"]["accuracy"] <= high


def test_the_report_shows_every_fold_and_the_mistakes_of_all(three):
    text = (three.path / "report.html").read_text(encoding="utf-8")
    assert "each scored by the model that did not train on it" in text
    table = re.search(r'<table id="folds">(.*?)</table>', text, re.DOTALL)[1]
    accuracy = re.findall(r"[\d.]+ %", re.search(r'<th scope="row">accuracy</th>(.*?)</tr>', table)[1])
    shown = [three.metrics["mean"]["accuracy"], *(fold["accuracy"] for fold in three.metrics["folds"])]
    assert accuracy == [f"{100 * value:.1f} %" for value in shown]
    tiles = re.findall(r'<div class="path" title="([^"]+)">', text)
    mistakes = {line["path"] for line in three.predictions if line["predicted"] != line["true"]}
    assert mistakes
    assert mistakes <= set(tiles)


def test_the_folder_opens_as_the_mean_of_its_models(three, image_folder):
    images = sorted(image_folder.rglob("*.png"))[:5]
    apart = [run.predict(images) for run in three.folds]
    for place, said in enumerate(finetune.open_run(three.path).predict(images)):
        for name in three.labels.names:
            mean = np.mean([one[place].probabilities[name] for one in apart])
            assert said.probabilities[name] == pytest.approx(mean, abs=1e-9)
        assert said.predicted == [max(said.probabilities, key=said.probabilities.get)]


def test_pictures_are_of_all_images_where_no_split_is_named(three):
    counts = three.plots.confusion_matrix().axes[0].texts
    assert sum(int(count.get_text()) for count in counts) == 24
    classes = three.plots.per_class().axes[0]
    assert [label.get_text() for label in classes.get_yticklabels()] == ["circle (8)", "cross (8)", "square (8)"]
    assert classes.get_xlabel().startswith("out_of_fold")
    assert len([axes for axes in three.plots.predictions(n=24).axes if axes.get_title()]) == 24
    assert len([axes for axes in three.plots.data(n=6).axes if axes.get_title()]) == 6
    assert "3 folds: accuracy" in repr(three)


def test_what_a_cross_validation_has_no_picture_of_is_told_with_where_there_is_one(three):
    with pytest.raises(DataError, match=r"each fold has curves of its own; \.folds\[0\]\.plots\.curves\(\) draws"):
        three.plots.curves()
    assert three.folds[0].plots.curves().axes
    for split in ("mean", "folds", "validation"):
        with pytest.raises(DataError, match=f"{split} was not scored; out_of_fold was"):
            three.plots.per_class(split)


def test_the_data_are_all_images_with_the_sizes_of_the_folds(three):
    from finetune.plots import class_counts

    data, of_fold = three.data, Counter(line["fold"] for line in three.predictions)
    sizes = [of_fold[fold] for fold in (1, 2, 3)]
    assert list(data.datasets["out_of_fold"]["path"]) == [line["path"] for line in three.predictions]
    said = data.findings.render().splitlines()
    assert said[0].endswith(": 24 images, 24 out_of_fold")
    assert {tuple(line.split()) for line in said} >= {
        ("circle", "8"),
        ("cross", "8"),
        ("square", "8"),
        ("images", "24"),
    }
    assert f"  - held out in 3 folds of {sizes[0]}, {sizes[1]}, {sizes[2]} images" in said
    assert data.labels.names == ("circle", "cross", "square")
    assert data.source["counts"] == three.record["data"]["counts"] == {"out_of_fold": 24}
    assert data.source["folds"] == sizes
    assert len(set(data.contents["out_of_fold"])) == 24
    assert [bar.get_width() for bar in class_counts(data).axes[0].patches] == [8, 8, 8]


def test_a_finished_fold_keeps_its_model_and_no_checkpoints(three):
    assert len(list(three.path.glob("fold-*/model/model.safetensors"))) == 3
    assert not list(three.path.glob("fold-*/checkpoints"))


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
    goes_on = r"stopped after step 1 \(crossval --resume --folds 3 goes on with all of .*tiny-crossval\)"
    with pytest.raises(Interrupted, match=goes_on):
        crossval(recipe, 3)
    folder = RunFolder(f"{recipe.run.root}/tiny-crossval")
    assert folder.status == "interrupted"
    before = (folder.path / "fold-1/record.json").read_bytes()
    trained = []
    monkeypatch.setattr(
        place, "train", lambda recipe, **options: trained.append(recipe.data.split.fold) or train(recipe, **options)
    )
    with pytest.raises(
        RunFolderError,
        match=r"tiny-crossval: cannot be resumed with 2 folds, it began with 3; give --folds 3 \(in Python folds=3\)",
    ):
        crossval(recipe, 2, resume=True)
    assert crossval(recipe, 3, resume=True).path == folder.path
    assert trained == [2, 3]
    assert (folder.path / "fold-1/record.json").read_bytes() == before
    assert folder.status == "finished"


class SignalAt(TrainerCallback):
    """Asks this process to stop during a step."""

    def __init__(self, step):
        self.step = step

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step == self.step - 1:
            os.kill(os.getpid(), signal.SIGTERM)


def test_an_interrupted_fold_goes_on_from_its_checkpoint_to_the_same_predictions(recipe_for, monkeypatch, capsys):
    from finetune.search import folds as place

    four_steps = {"data.split.validation": 0.0, "optim.max_steps": 4, "run.keep_checkpoints": 9}
    whole = crossval(recipe_for(**four_steps, **{"run.name": "whole"}), 2)
    recipe, train = recipe_for(**four_steps), place.train

    def asked_to_stop(recipe, **options):
        return train(recipe, **options, listeners=[SignalAt(3)] if recipe.data.split.fold == 2 else [])

    monkeypatch.setattr(place, "train", asked_to_stop)
    with pytest.raises(Interrupted, match=r"stopped after step 3 of 4"):
        crossval(recipe, 2)
    folder = whole.path.with_name("tiny-crossval")
    assert not (folder / "fold-1/checkpoints").exists()
    assert (folder / "fold-2/checkpoints/checkpoint-3").exists()
    with pytest.raises(
        RunFolderError,
        match=r"has finished 1 of its 2 folds \(it is interrupted\); go on with it by crossval --resume --folds 2, or "
        r"open one fold, such as .*fold-1$",
    ):
        finetune.open_run(folder)
    assert finetune.open_run(folder / "fold-1").metrics

    monkeypatch.setattr(place, "train", train)
    (folder / "fold-1/checkpoints/checkpoint-4").mkdir(parents=True)  # as after a kill before they were deleted
    capsys.readouterr()
    again = crossval(recipe, 2, resume=True)
    said = capsys.readouterr().err
    assert "fold 1 of 2 was finished before" in said
    assert "going on after step 3" in said
    assert not list(folder.glob("fold-*/checkpoints"))
    assert again.predictions.read_bytes() == whole.predictions.read_bytes()


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
    assert "±            half of the 95 % interval of the mean" in done.stdout
    assert "out of fold  all 24 images at once, each predicted by the model that did not" in done.stdout
    assert "tiny-crossval IMAGE" in done.stdout
    assert [line for line in done.stderr.splitlines() if "fold " in line] == ["fold 1 of 2", "fold 2 of 2"]


def test_the_command_line_speaks_of_the_folds_that_were_typed(recipe_for, command, tmp_path):
    file = tmp_path / "marks.yaml"
    file.write_text(dump_recipe(recipe_for(**QUICK)))
    done = command("crossval", str(file), "--folds", "9")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "deit-finetune: --folds (in Python folds=, in a recipe data.split.folds): found 9, but class 'circle' has only "
    )


def test_more_folds_than_the_smallest_class_has_images_leave_no_folder_behind(recipe_for):
    recipe = recipe_for()
    names = r"--folds \(in Python folds=, in a recipe data\.split\.folds\)"
    with pytest.raises(DataError, match=rf"^{names}: found 9, but class 'circle' has only 8 images that may be"):
        crossval(recipe, 9)
    with pytest.raises(RecipeError, match=rf"^crossval: {names}: found 1, expected a whole number of at least 2$"):
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
