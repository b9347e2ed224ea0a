from __future__ import annotations

import os
import signal

import pytest
from transformers import TrainerCallback

from finetune.training.stopping import SomeEpochs, StopOnSignal, StopOnTime, evaluations_without_progress


class SignalAt(TrainerCallback):
    """Sends this process a signal during a step."""

    def __init__(self, step: int, number: signal.Signals = signal.SIGTERM) -> None:
        self.step, self.number = step, number

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step == self.step - 1:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(
    ("values", "since"),
    [([], 0), ([0.5], 0), ([0.5, 0.5], 1), ([0.5, 0.4, 0.6], 0), ([0.9, 0.1, 0.2, 0.3], 3)],
)
def test_evaluations_without_progress_are_counted_from_the_best(values, since):
    assert evaluations_without_progress(values) == since


def test_a_gain_below_the_minimum_is_no_progress():
    assert evaluations_without_progress([0.50, 0.51, 0.52], min_improvement=0.05) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_step_saves_and_stops(recipe_for, trainer_for, number, tmp_path):
    stop = StopOnSignal()
    trainer = trainer_for(recipe_for(**{"optim.batch_size": 6}), stop, SignalAt(2, number))
    trainer.train()
    stop.restore()
    assert stop.stopped
    assert trainer.state.global_step == 2
    assert [path.name for path in (tmp_path / "runs/tiny/checkpoints").iterdir()] == ["checkpoint-2"]
    assert not [entry for entry in trainer.state.log_history if "eval_loss" in entry]


def test_a_signal_at_an_epochs_last_step_lets_its_evaluation_come_first(recipe_for, trainer_for, tmp_path):
    stop = StopOnSignal()
    trainer = trainer_for(recipe_for(**{"optim.batch_size": 6}), stop, SignalAt(3))  # 18 training images
    trainer.train()
    stop.restore()
    assert trainer.state.global_step == 3
    assert len([entry for entry in trainer.state.log_history if "eval_loss" in entry]) == 1
    assert [path.name for path in (tmp_path / "runs/tiny/checkpoints").iterdir()] == ["checkpoint-3"]


def evaluated_steps(trainer):
    return [entry["step"] for entry in trainer.state.log_history if "eval_loss" in entry]


def test_some_epochs_are_evaluated_and_saved_and_the_last_always(recipe_for, trainer_for, tmp_path):
    overrides = {"optim.batch_size": 6, "optim.epochs": 5, "run.keep_checkpoints": 9}  # 3 steps an epoch
    trainer = trainer_for(recipe_for(**overrides), SomeEpochs(2, StopOnSignal()))
    trainer.train()
    assert evaluated_steps(trainer) == [6, 12, 15]
    saved = {path.name for path in (tmp_path / "runs/tiny/checkpoints").iterdir()}
    assert saved == {"checkpoint-6", "checkpoint-12", "checkpoint-15"}


def test_a_signal_between_evaluations_saves_and_evaluates_nothing_that_was_not_due(recipe_for, trainer_for, tmp_path):
    stop = StopOnSignal()
    overrides = {"optim.batch_size": 6, "optim.epochs": 5}
    trainer = trainer_for(recipe_for(**overrides), stop, SomeEpochs(2, stop), SignalAt(3))
    trainer.train()
    stop.restore()
    assert evaluated_steps(trainer) == []
    assert [path.name for path in (tmp_path / "runs/tiny/checkpoints").iterdir()] == ["checkpoint-3"]


def test_the_recipe_says_how_many_epochs_lie_between_evaluations(recipe_for):
    from finetune.training import train

    run = train(recipe_for(**{"optim.epochs": 4, "evaluate.every_epochs": 3}))
    assert [line["epoch"] for line in run.read_history()] == [3.0, 4.0]


def test_the_learning_rate_comes_down_in_time(recipe_for, trainer_for):
    clock = StopOnTime(minutes=60.0)
    recipe = recipe_for(**{"optim.schedule": "linear"})
    trainer = trainer_for(recipe, clock)
    scheduler = trainer.create_scheduler(100, trainer.create_optimizer())
    clock._used = 0.5  # half of the time is gone after the first of 100 steps
    trainer.optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr()[0] == pytest.approx(0.5 * recipe.optim.learning_rate)


def test_the_clock_changes_nothing_while_there_is_time(recipe_for, trainer_for):
    def rates(**overrides):
        trainer = trainer_for(recipe_for(**{"run.log_every_steps": 1, **overrides}))
        trainer.train()
        return [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]

    assert rates(**{"run.max_minutes": 60.0}) == rates()


def test_signals_belong_to_whoever_had_them_before_when_training_is_over(recipe_for, trainer_for):
    before = signal.getsignal(signal.SIGINT)
    stop = StopOnSignal()
    trainer_for(recipe_for(**{"optim.max_steps": 1}), stop).train()
    stop.restore()
    assert signal.getsignal(signal.SIGINT) is before


def test_patience_stops_training(recipe_for, trainer_for):
    recipe = recipe_for(**{"optim.epochs": 9, "optim.learning_rate": 1e-12, "evaluate.patience": 2})
    trainer = trainer_for(recipe)
    trainer.train()
    assert trainer.state.epoch == 3.0  # the first counts as progress


def test_the_clock_stops_training_with_an_evaluation_and_a_checkpoint(recipe_for, trainer_for, tmp_path):
    recipe = recipe_for(**{"optim.epochs": 500, "optim.batch_size": 6, "run.max_minutes": 1e-9})
    trainer = trainer_for(recipe)
    trainer.train()
    assert trainer.state.global_step == 1
    assert "eval_accuracy" in trainer.state.log_history[-2]
    assert (tmp_path / "runs/tiny/checkpoints/checkpoint-1/complete.json").is_file()
