"""The range test on a real, tiny training."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from finetune.errors import RecipeError, TrainingError
from finetune.recipe import dump_recipe, load_recipe
from finetune.search import find_learning_rate
from finetune.search.range_test import _EndError, _RisingRate
from finetune.training import train


def test_the_curve_is_written_and_nothing_else_is(recipe_for):
    recipe = recipe_for()
    found = find_learning_rate(recipe, steps=30, low=1e-6, high=1.0)
    assert [path.name for path in Path(recipe.run.root).iterdir()] == ["tiny-find-lr"]
    names = {path.name for path in found.folder.iterdir() if not path.name.startswith(".")}
    assert names == {"find-lr.json", "find-lr.png", "record.json"}
    written = json.loads((found.folder / "find-lr.json").read_text())
    assert written["losses"] == found.losses
    assert written["learning_rate"] == found.learning_rate
    with Image.open(found.folder / "find-lr.png") as curve:
        assert curve.size == (600, 360)
    assert found.rates[:2] == pytest.approx([1e-6, 1e-6 * 1e6 ** (1 / 29)])
    again = find_learning_rate(recipe, steps=30, low=1e-6, high=1.0)
    assert again.losses == found.losses  # to the last bit
    assert again.folder.name == "tiny-find-lr-2"


class SeeRates(TrainerCallback):
    """The rates of the groups that each step is taken with, and the one that is logged and shown."""

    def __init__(self):
        self.seen, self.logged = [], []

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        self.seen.append([group["lr"] for group in kwargs["optimizer"].param_groups])

    def on_log(self, args, state, control, logs, **kwargs):
        self.logged += [logs["learning_rate"]] if "learning_rate" in logs else []


class Halve(TrainerCallback):
    """One group learns at half the rate, as a multiple of a layer would have it."""

    def on_train_begin(self, args, state, control, **kwargs):
        kwargs["optimizer"].param_groups[0]["lr"] /= 2


def test_each_step_is_taken_at_its_rate_and_groups_keep_their_ratio(recipe_for):
    see, rising = SeeRates(), _RisingRate(4, 1e-5, 1e-2)
    overrides = {"optim.max_steps": 4, "optim.learning_rate": 1e-5, "optim.schedule": "constant"}
    with pytest.raises(_EndError):  # which leaves training
        train(recipe_for(**overrides, **{"run.log_every_steps": 1}), listeners=[Halve(), see, rising])
    assert [rates[-1] for rates in see.seen] == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2])
    assert [rates[0] / rates[-1] for rates in see.seen] == pytest.approx([0.5] * 4)
    assert see.logged == pytest.approx([rates[0] for rates in see.seen])


MARKS = {"data.split.validation": 0.0, "optim.batch_size": 24, "augment.preset": "none"}
"""Three classes that a tiny ViT tells apart after some steps at about 1e-3, and that no model fits at 1."""


def running_mean(losses):
    """By the formula: 0.9 of the past, divided by the weight that there is so far."""
    weights = [[0.1 * 0.9 ** (now - step) for step in range(now + 1)] for now in range(len(losses))]
    return np.array([np.dot(row, losses[: len(row)]) / (1 - 0.9 ** len(row)) for row in weights])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_test_ends_at_the_step_whose_smoothed_loss_is_more_than_four_times_the_lowest(recipe_for, seed):
    found = find_learning_rate(recipe_for(**MARKS, **{"run.seed": seed}), steps=80, low=1e-5, high=10.0)
    curve = running_mean(found.losses)
    assert found.smoothed == pytest.approx(curve)
    times = curve / np.minimum.accumulate(curve)
    assert len(found.losses) == len(found.rates) < 80
    assert times[-1] > 4
    assert (times[:-1] <= 4).all()


@pytest.mark.parametrize(("loss", "ends"), [(21.0, False), (22.0, True)])
def test_a_loss_that_lifts_the_smoothed_one_above_four_times_its_lowest_ends_it(loss, ends):
    rising = _RisingRate(100, 1e-5, 1.0)
    for _ in range(10):
        rising.on_log(None, None, None, logs={"loss": 1.0})
    # Now the smoothed loss is 1, and that of one more step is 0.854 + 0.146 * loss, which is 4 at a loss of 21.6.
    with pytest.raises(_EndError) if ends else contextlib.nullcontext():
        rising.on_log(None, None, None, logs={"loss": loss})
    assert len(rising.losses) == 11


@pytest.mark.parametrize("seed", [1, 2])
def test_the_suggestion_lies_where_the_loss_comes_down(recipe_for, seed):
    found = find_learning_rate(recipe_for(**MARKS, **{"run.seed": seed}), steps=80, low=1e-5, high=10.0)
    assert np.mean(found.losses[:10]) == pytest.approx(math.log(3), abs=0.1)  # as three classes at random
    around = np.convolve(found.losses, np.ones(9) / 9, mode="valid")  # mean of a step and of four on either side
    lowest = int(around.argmin())
    above = np.flatnonzero(around[:lowest] > 0.95 * math.log(3))[-1]
    assert found.rates[above + 4] < found.learning_rate < found.rates[lowest + 4]
    assert 1e-4 < found.learning_rate < 1e-2
    assert f"where the loss is half of the way down from {np.mean(found.losses[:10]):.3g} to " in found.note


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_bundled_digits_take_every_step_of_the_span_and_their_run_stays_as_it_is(tmp_path):
    recipe = load_recipe(
        {
            "task": "multiclass",
            "data": {"kind": "folder", "root": "bundled:digits", "split": {"validation": 0.0}},
            "model": {"checkpoint": "bundled:deit-nano"},
            "augment": {"preset": "none"},
            "optim": {"preset": "plain", "max_steps": 2, "batch_size": 16, "learning_rate": 1e-3},
            "run": {"root": str(tmp_path), "name": "digits", "precision": "fp32", "tracking": []},
        }
    )
    run = train(recipe)
    before = contents(run.path)
    assert Path("model/model.safetensors") in before
    found = find_learning_rate(recipe, steps=13, low=1e-6, high=1e-3)
    assert len(found.losses) == len(found.smoothed) == 13
    assert found.rates == pytest.approx([1e-6 * 10 ** (step / 4) for step in range(13)])
    assert found.losses[0] == pytest.approx(math.log(10), abs=0.2)
    assert contents(run.path) == before
    assert found.folder.name == "digits-find-lr"
    assert not list(found.folder.rglob("*.safetensors"))


NO_STEPS = {"preset": "auto", "epochs": None, "batch_size": None, "learning_rate": None}


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        (
            {"model.train": "probe", **{f"optim.{key}": value for key, value in NO_STEPS.items()}},
            {},
            r"model.train: found probe, but a probe is fitted by a solver and has no learning",
        ),
        (
            {},
            {"low": 1.0, "high": 0.1},
            r"find-lr: found the rates 1 to 0.1, expected a low one above 0 and a higher one",
        ),
        ({}, {"steps": 9}, r"find-lr: found 9 steps, expected at least 10"),
    ],
)
def test_what_cannot_be_tested_is_refused_by_words(recipe_for, changes, options, message):
    with pytest.raises(RecipeError, match=message):
        find_learning_rate(recipe_for(**changes), **options)


def test_a_model_that_is_broken_before_any_step_is_no_matter_of_the_rate(recipe_for, tiny_vit, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_vit, broken)
    weights = load_file(broken / "model.safetensors")
    weights["vit.layernorm.weight"].fill_(float("nan"))
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match="loss is nan"):
        find_learning_rate(recipe_for(**{"model.checkpoint": str(broken)}), steps=10)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_missing_matplotlib_is_told_before_training(recipe_for, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"matplotlib is not installed.*pip install 'deit-finetune\[search\]'"):
        find_learning_rate(recipe_for())


def test_the_command_line_prints_the_suggestion_as_a_key(recipe_for, command, tmp_path):
    file = tmp_path / "marks.yaml"
    file.write_text(dump_recipe(recipe_for()))
    done: subprocess.CompletedProcess[str] = command("find-lr", str(file), "--steps", "40", "--low", "1e-5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("optim.learning_rate: ", "no suggestion: "))
    assert "find-lr.png" in done.stdout
