from __future__ import annotations

import io

from rich.console import Console

from finetune.training.progress import ShowProgress


def shown(recipe_for, trainer_for, terminal: bool, **overrides) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100, highlight=False)
    progress = ShowProgress("multiclass", 18, "accuracy", console)
    trainer_for(recipe_for(**overrides), progress).train()
    return screen.getvalue()


def test_a_log_file_gets_one_header_and_a_row_per_evaluation(recipe_for, trainer_for):
    lines = shown(recipe_for, trainer_for, terminal=False).splitlines()
    assert lines[0].split() == ["epoch", "step", "train", "loss", "loss", "accuracy", "mAP", "f1_macro"]
    assert [line.split()[:2] for line in lines[1:]] == [["1.00", "3"], ["2.00", "6"]]
    assert "\x1b" not in "".join(lines)


def test_a_terminal_gets_a_bar_with_loss_learning_rate_speed_and_time_left(recipe_for, trainer_for):
    screen = shown(recipe_for, trainer_for, terminal=True, **{"run.log_every_steps": 1})
    for word in ("loss", "lr", "images/s", "left", "/6"):
        assert word in screen


def test_the_metric_that_picks_the_model_is_always_shown(recipe_for, trainer_for):
    progress = ShowProgress("multiclass", 18, "mcc", Console(quiet=True))
    assert progress.columns[-1] == "mcc"
