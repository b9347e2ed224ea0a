"""Each key of a recipe that the Trainer carries out reaches it, and changes what it is without the key."""

from __future__ import annotations

import pytest

from finetune.recipe.settings import choose_settings
from finetune.training.arguments import training_arguments
from finetune.training.hardware import Hardware
from finetune.training.runner import fit


@pytest.fixture
def arguments_for(recipe_for, tmp_path):
    def make(processes: int = 1, precision: str = "fp32", evaluates: bool = True, **overrides):
        recipe = recipe_for(**overrides)
        hardware = Hardware("cpu", precision, 0, processes)
        settings = choose_settings(recipe, images=24)
        return training_arguments(recipe, settings, hardware, tmp_path, recipe.optim.accumulation_steps, evaluates)

    return make


@pytest.mark.parametrize(
    ("key", "value", "name", "expected"),
    [
        ("optim.epochs", 2.5, "num_train_epochs", 2.5),
        ("optim.max_steps", 7, "max_steps", 7),
        ("optim.accumulation_steps", 2, "gradient_accumulation_steps", 2),
        ("optim.learning_rate", 3e-4, "learning_rate", 3e-4),
        ("optim.schedule", "linear", "lr_scheduler_type", "linear"),
        ("optim.warmup_fraction", 0.1, "warmup_steps", 0.1),
        ("optim.warmup_steps", 5, "warmup_steps", 5),
        ("optim.optimizer", "adafactor", "optim", "adafactor"),
        ("optim.optimizer", "rmsprop", "optim", "rmsprop"),
        ("optim.epsilon", 1e-6, "adam_epsilon", 1e-6),
        ("optim.weight_decay", 0.05, "weight_decay", 0.05),
        ("optim.max_grad_norm", 0.5, "max_grad_norm", 0.5),
        ("run.seed", 3, "seed", 3),
        ("run.deterministic", True, "full_determinism", True),
        ("run.keep_checkpoints", 5, "save_total_limit", 5),
        ("run.log_every_steps", 3, "logging_steps", 3),
        ("model.activation_checkpointing", True, "activation_checkpointing", True),
        ("model.compile", True, "torch_compile", True),
        ("evaluate.best_metric", "loss", "greater_is_better", False),
    ],
)
def test_a_key_reaches_the_trainer(arguments_for, key, value, name, expected):
    assert getattr(arguments_for(**{key: value}), name) == expected
    assert getattr(arguments_for(), name) != expected


@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        ("cosine", {}),
        ("linear", {}),
        ("cosine_with_restarts", {"num_cycles": 2}),
        ("polynomial", {"power": 2.0}),
        ("constant", {}),
        ("inverse_sqrt", {}),
    ],
)
def test_every_schedule_warms_up_from_zero(recipe_for, trainer_for, schedule, arguments):
    overrides = {"optim.schedule": schedule, "optim.schedule_args": arguments, "optim.warmup_steps": 2}
    trainer = trainer_for(recipe_for(**overrides, **{"run.log_every_steps": 1}))
    trainer.train()
    rates = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    assert rates[0] == 0.0
    assert max(rates) == pytest.approx(1e-3)


def test_betas_reach_adamw(recipe_for, trainer_for):
    assert trainer_for(recipe_for(**{"optim.betas": [0.8, 0.95]})).create_optimizer().defaults["betas"] == (0.8, 0.95)


def test_a_batch_is_divided_among_processes_and_pieces(arguments_for):
    arguments = arguments_for(processes=2, **{"optim.batch_size": 16, "optim.accumulation_steps": 4})
    assert (arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps) == (2, 4)


def test_a_run_without_validation_images_saves_each_epoch_and_picks_nothing(arguments_for):
    arguments = arguments_for(evaluates=False)
    assert (arguments.eval_strategy, arguments.save_strategy) == ("no", "epoch")
    assert not arguments.load_best_model_at_end


def test_precision_reaches_the_trainer(arguments_for):
    assert arguments_for(precision="bf16").bf16
    assert not arguments_for().bf16


def test_a_frozen_encoder_stays_as_it_was(recipe_for, trainer_for, work_for):
    import torch
    from transformers import AutoModelForImageClassification

    recipe = recipe_for(**{"model.train": "head"})
    work = work_for(recipe)
    after = fit(work, 1).model.state_dict()
    before = AutoModelForImageClassification.from_pretrained(recipe.model.checkpoint).state_dict()
    changed = {name for name in after if after[name].shape != before[name].shape}
    changed |= {name for name in after.keys() - changed if not torch.equal(after[name], before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_label_smoothing_raises_the_loss_of_a_sure_model(recipe_for, work_for):
    import torch
    from transformers.modeling_outputs import ImageClassifierOutput

    sure = ImageClassifierOutput(logits=torch.tensor([[20.0, 0.0, 0.0]]))
    losses = [
        float(work_for(recipe_for(**{"loss.label_smoothing": smoothing})).task.loss_sum(
            sure, torch.tensor([0]), torch.tensor([1.0])
        ))
        for smoothing in (0.0, 0.3)
    ]  # fmt: skip
    assert losses[0] < 1e-6
    assert losses[1] == pytest.approx(0.3 * 2 / 3 * 20, rel=1e-3)
