"""Checkpoints, heads and tasks: from a recipe to a model that can learn its classes."""

from finetune.model.checkpoint import load_preprocessing, load_with_new_head
from finetune.model.head import head_names, replace_head
from finetune.model.saved import LoadedModel, open_saved, save_model, set_attention
from finetune.model.task import Task, choose_task, model_logits, saved_task
from finetune.model.trainable import learned, no_decay_parameter_names, ready_to_learn, set_trainable

__all__ = [
    "LoadedModel",
    "Task",
    "choose_task",
    "head_names",
    "learned",
    "load_preprocessing",
    "load_with_new_head",
    "model_logits",
    "no_decay_parameter_names",
    "open_saved",
    "ready_to_learn",
    "replace_head",
    "save_model",
    "saved_task",
    "set_attention",
    "set_trainable",
]
