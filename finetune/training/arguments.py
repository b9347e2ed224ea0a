"""A recipe as Trainer arguments. What a recipe says has one translation, here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from finetune.errors import RecipeError
from finetune.metrics import default_best_metric, higher_is_better
from finetune.recipe import Recipe
from finetune.recipe.checks.evaluate import nothing_to_compare, nothing_to_tune_on
from finetune.recipe.settings import Settings
from finetune.training.hardware import Hardware

OPTIMIZERS = {"adamw": "adamw_torch_fused", "sgd": "sgd", "adafactor": "adafactor", "muon": "adamw_torch"}


def training_arguments(
    recipe: Recipe, settings: Settings, hardware: Hardware, folder: Path, accumulation_steps: int, evaluates: bool
) -> TrainingArguments:
    """Translate a recipe.

    Args:
        recipe: The resolved recipe.
        settings: What was chosen where the recipe leaves it to its preset.
        hardware: Device and precision that were chosen.
        folder: Where ``checkpoint-STEP`` folders go.
        accumulation_steps: The recipe's, or more where memory asked for it.
        evaluates: Whether there is a validation split to evaluate.
    """
    optim, run = recipe.optim, recipe.run
    schedule, schedule_args = _schedule(recipe, settings)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        max_steps=optim.max_steps or -1,
        per_device_train_batch_size=math.ceil(settings.batch_size / (accumulation_steps * hardware.processes)),
        gradient_accumulation_steps=accumulation_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=schedule,
        lr_scheduler_kwargs=schedule_args or None,
        warmup_steps=optim.warmup_steps or settings.warmup_fraction,
        optim=OPTIMIZERS.get(settings.optimizer, settings.optimizer),
        adam_beta1=optim.betas[0],
        adam_beta2=optim.betas[1],
        adam_epsilon=optim.epsilon,
        weight_decay=settings.weight_decay,
        max_grad_norm=optim.max_grad_norm,
        seed=run.seed,
        full_determinism=run.deterministic,
        bf16=hardware.precision == "bf16",
        fp16=hardware.precision == "fp16",
        use_cpu=hardware.device_type == "cpu",
        activation_checkpointing=recipe.model.activation_checkpointing,
        torch_compile=recipe.model.compile,
        logging_strategy="steps",
        logging_steps=run.log_every_steps,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        ddp_find_unused_parameters=optim.unfreeze_every_epochs is not None,
        **_evaluation(recipe, evaluates),
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # never DataParallel: slower than DDP, and its loss is another
    return arguments


def _evaluation(recipe: Recipe, evaluates: bool) -> dict[str, Any]:
    by = recipe.evaluate.every if evaluates else "never"
    steps = recipe.evaluate.every_steps
    metric = best_metric(recipe)
    return {
        "eval_strategy": "no" if by == "never" else by,
        "eval_steps": steps if by == "steps" else None,
        "save_strategy": "epoch" if by == "never" else by,
        "save_steps": steps if by == "steps" else 500,
        "save_total_limit": recipe.run.keep_checkpoints,
        "load_best_model_at_end": by != "never",
        "metric_for_best_model": metric if by != "never" else None,
        "greater_is_better": higher_is_better(metric),
    }


def best_metric(recipe: Recipe) -> str:
    """The validation metric that picks the saved model."""
    return recipe.evaluate.best_metric or default_best_metric(recipe.task)


def check_evaluations_are_compared(recipe: Recipe, evaluates: bool) -> None:
    """Refuse keys that need a validation split where the data turned out to have none.

    Raises:
        RecipeError: which keys, and what to write.
    """
    evaluate = recipe.evaluate
    found = [
        *nothing_to_compare(evaluate.best_metric, evaluate.patience),
        *nothing_to_tune_on(evaluate.thresholds, evaluate.calibration),
    ]
    faults = [f"{key}: {text}" for key, text in found]
    if faults and not evaluates:
        raise RecipeError(faults)


def _schedule(recipe: Recipe, settings: Settings) -> tuple[str, dict[str, Any]]:
    optim = recipe.optim
    warm = optim.warmup_steps or settings.warmup_fraction
    name = "constant_with_warmup" if optim.schedule == "constant" and warm else optim.schedule
    return name, dict(optim.schedule_args)


def optimizer_args(recipe: Recipe, settings: Settings) -> dict[str, Any]:
    """Arguments of the optimiser's class that the Trainer has no field for."""
    momentum = {"momentum": recipe.optim.momentum} if settings.optimizer in ("sgd", "muon") else {}
    return {**momentum, **recipe.optim.optimizer_args}
