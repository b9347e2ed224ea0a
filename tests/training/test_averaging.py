"""The running average of the weights: what it is, which weights are chosen, and that it survives an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from finetune.training import train
from finetune.training.averaging import FILE, AverageWeights

EMA = {"optim.ema_decay": 0.9, "optim.batch_size": 6}


class KeepWeights(TrainerCallback):
    """The head's weights at the start and after every step."""

    def __init__(self):
        self.weights = []

    def on_train_begin(self, args, state, control, **kwargs):
        self._keep(kwargs["model"])

    def on_step_end(self, args, state, control, **kwargs):
        self._keep(kwargs["model"])

    def _keep(self, model):
        self.weights.append(model.classifier.weight.detach().clone().double())


def test_the_average_is_the_weighted_sum_of_all_weights_with_a_warm_up(recipe_for, trainer_for):
    seen = KeepWeights()
    trainer = trainer_for(recipe_for(**EMA), seen)
    trainer.train()
    expected = seen.weights[0]
    for step, weights in enumerate(seen.weights[1:], start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights
    assert torch.allclose(_average(trainer)["classifier.weight"].double(), expected, atol=1e-7)


def _average(trainer):
    """As the last checkpoint has it: loading the best one replaces what is in memory."""
    return load_file(f"{trainer.args.output_dir}/checkpoint-{trainer.state.global_step}/{FILE}")


def test_only_what_learns_is_averaged(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**EMA, **{"model.train": "head"}))
    trainer.train()
    assert set(_average(trainer)) == {"classifier.weight", "classifier.bias"}


def test_blocks_that_join_later_are_averaged_from_the_start(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**EMA, **{"optim.unfreeze_every_epochs": 1.0, "optim.epochs": 2}))
    trainer.train()
    assert set(_average(trainer)) == {name for name, _ in trainer.model.named_parameters()}


@pytest.mark.parametrize(("higher", "raw", "ema", "better"), [
    (True, 0.5, 0.6, "ema"), (True, 0.6, 0.5, "raw"), (True, 0.5, 0.5, "raw"), (False, 0.5, 0.6, "raw"),
    (False, 0.6, 0.5, "ema"), (True, None, 0.5, "raw"),
])  # fmt: skip
def test_the_better_weights_count_and_their_metrics_are_reported(higher, raw, ema, better):
    scores = iter([{"m": raw}, {"m": ema}])
    average = AverageWeights(0.9, "m", higher)
    assert average.score_both(torch.nn.Linear(1, 1), lambda model: next(scores)) == {
        "m": {"raw": raw, "ema": ema}[better]
    }
    assert (average.better, average.scores) == (better, {"raw": raw, "ema": ema})


def test_the_average_is_scored_in_the_models_place_and_everything_is_put_back():
    model, average = torch.nn.Linear(1, 1, bias=False), AverageWeights(0.9, "m", True)
    with torch.no_grad():
        model.weight.fill_(1.0)
    average.average = {"weight": torch.tensor([[3.0]])}
    seen = []
    average.score_both(model, lambda model: seen.append(model.weight.item()) or {"m": 0.0})
    assert seen == [1.0, 3.0]
    assert (model.weight.item(), average.average["weight"].item()) == (1.0, 3.0)


class Poison(TrainerCallback):
    """Throws the weights far off just before the evaluation: their average hardly notices."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == state.max_steps:
            with torch.no_grad():
                kwargs["model"].classifier.weight.add_(50 * torch.randn_like(kwargs["model"].classifier.weight))


def test_where_the_average_is_better_it_is_saved_and_named(recipe_for, trainer_for):
    recipe = recipe_for(**EMA, **{"optim.epochs": 1, "evaluate.best_metric": "loss"})
    trainer = trainer_for(recipe, Poison())
    trainer.train()
    folder = trainer.args.output_dir
    assert trainer.average.better == "ema"
    assert torch.equal(trainer.model.classifier.weight, load_file(f"{folder}/checkpoint-3/{FILE}")["classifier.weight"])
    line = json.loads((Path(folder).parent / "history.jsonl").read_text().splitlines()[-1])
    assert line["weights"] == "ema"
    assert line["scores"]["ema"] == line["validation"]["loss"] < line["scores"]["raw"]
    assert trainer.measure(trainer.model)["loss"] == trainer.state.best_metric


def test_where_the_weights_are_better_they_are_saved(recipe_for, trainer_for):
    recipe = recipe_for(**{**EMA, "optim.ema_decay": 0.99, "evaluate.best_metric": "loss", "optim.epochs": 1})
    trainer = trainer_for(recipe)
    trainer.average._better = lambda: "raw"
    trainer.train()
    saved = load_file(f"{trainer.args.output_dir}/checkpoint-3/model.safetensors")
    assert trainer.average.better == "raw"
    assert torch.equal(trainer.model.classifier.weight, saved["classifier.weight"])


def test_without_evaluations_the_average_is_saved(recipe_for, task_overrides):
    run = train(recipe_for(**task_overrides, **EMA, **{"evaluate.every": "never", "optim.max_steps": 3}))
    model = load_file(run.model / "model.safetensors")
    average = load_file(run.checkpoints / "checkpoint-3" / FILE)
    assert torch.equal(model["classifier.weight"], average["classifier.weight"])
    assert run.read_record()["best"] == {"step": 3, "weights": "ema"}


def test_the_record_names_the_weights_and_the_final_metrics_are_theirs(recipe_for, each_checkpoint):
    run = train(recipe_for(**each_checkpoint, **EMA))
    best = run.read_record()["best"]
    line = next(line for line in run.read_history() if line["step"] == best["step"])
    assert best["weights"] == line["weights"]
    assert run.read_metrics()["validation"]["accuracy"] == best["accuracy"] == line["scores"][best["weights"]]


def test_a_run_without_the_key_has_no_word_of_it(recipe_for):
    run = train(recipe_for(**{"optim.max_steps": 1}))
    assert not {"weights", "scores"} & set(run.read_history()[0])
    assert not list(run.checkpoints.rglob(FILE))


@pytest.mark.parametrize("step", [2, 4])
def test_a_resumed_run_ends_at_the_same_bits(recipe_for, twice, step):
    whole, rest = twice(recipe_for(**EMA, **{"model.drop_path": 0.3}), step)
    assert all(torch.equal(tensor, _average(whole)[name]) for name, tensor in _average(rest).items())
    expected = whole.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in rest.model.state_dict().items())
    assert rest.state.best_metric == whole.state.best_metric


def test_the_average_is_part_of_a_whole_checkpoint(recipe_for):
    run = train(recipe_for(**EMA, **{"optim.max_steps": 1}))
    assert FILE in json.loads((run.checkpoints / "checkpoint-1/complete.json").read_text())
