"""Checkpoints that say they are whole, and a line of history for each evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finetune.run_folder import RunFolder
from finetune.training.checkpoints import mark_complete
from finetune.training.processes import wait_for_all


class MarkCheckpoints(TrainerCallback):
    """Write the marker of a whole checkpoint once every process has written its part."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        wait_for_all()
        if state.is_world_process_zero:
            mark_complete(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")


class KeepHistory(TrainerCallback):
    """Append ``{"step", "epoch", "train_loss", "learning_rate", "precision", "validation": {…}}`` to history.jsonl.

    Where an average of the weights is kept, ``weights`` says whose metrics these are (raw or ema), and ``scores``
    holds the best metric of both.

    ``train_loss`` is the mean since the last log. The loss is logged before each evaluation too, and before each
    checkpoint: one that is no number stops the run before it is saved.
    """

    def __init__(self, folder: RunFolder, precision: str) -> None:
        self.folder, self.precision = folder, precision

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        control.should_log |= control.should_evaluate or control.should_save

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        control.should_log |= control.should_evaluate or control.should_save

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if not state.is_world_process_zero:
            return
        logged: dict[str, Any] = next((entry for entry in reversed(state.log_history) if "loss" in entry), {})
        self.folder.append_history(
            {
                "step": state.global_step,
                "epoch": state.epoch,
                "train_loss": logged.get("loss"),
                "learning_rate": logged.get("learning_rate"),
                "precision": self.precision,
                **{name: kwargs["metrics"][name] for name in ("weights", "scores") if name in kwargs["metrics"]},
                "validation": {
                    name.removeprefix("eval_"): value
                    for name, value in kwargs["metrics"].items()
                    if name.startswith("eval_")
                },
            }
        )
