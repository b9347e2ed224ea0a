"""The range test on a real, tiny training."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from transformers import TrainerCallback

from finetune.errors import RecipeError
from finetune.recipe import dump_recipe
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
    """The rates of the groups that each step is taken with."""

    def __init__(self):
        self.seen = []

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        self.seen.append([group["lr"] for group in kwargs["optimizer"].param_groups])


class Halve(TrainerCallback):
    """One group learns at half the rate, as a multiple of a layer would have it."""

    def on_train_begin(self, args, state, control, **kwargs):
        kwargs["optimizer"].param_groups[0]["lr"] /= 2


def test_each_step_is_taken_at_its_rate_and_groups_keep_their_ratio(recipe_for):
    see, rising = SeeRates(), _RisingRate(4, 1e-3, 1.0)
    overrides = {"optim.max_steps": 4, "optim.learning_rate": 1e-3, "optim.schedule": "constant"}
    with pytest.raises(_EndError):  # which leaves training
        train(recipe_for(**overrides, **{"run.log_every_steps": 1}), listeners=[Halve(), rising, see])
    assert [rates[-1] for rates in see.seen] == pytest.approx([1e-3, 1e-2, 1e-1, 1.0][: len(see.seen)])
    assert [rates[0] / rates[-1] for rates in see.seen] == pytest.approx([0.5] * len(see.seen))


def test_a_loss_that_rises_to_four_times_its_best_ends_the_test(recipe_for):
    found = find_learning_rate(recipe_for(**{"optim.optimizer": "sgd", "optim.max_grad_norm": 0.0}), steps=40, high=1e4)
    assert len(found.losses) < 40
    assert max(found.smoothed[:-1]) <= 4 * min(found.smoothed)


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
