"""Recipe -> Trainer -> run folder: the only place that knows the Trainer."""

from finetune.training.runner import train
from finetune.training.stopping import EXIT_CODE, Interrupted

__all__ = ["EXIT_CODE", "Interrupted", "train"]
