"""What a recipe may not say although each of its keys alone would be fine."""

from finetune.recipe.checks import augment, data, evaluate, loss, model, optim, probe
from finetune.recipe.checks.found import Checks
from finetune.recipe.checks.optim import TRAINER_OPTIMIZERS

CHECKS: Checks = {
    **data.CHECKS,
    **evaluate.CHECKS,
    **optim.CHECKS,
    **loss.CHECKS,
    **augment.CHECKS,
    **model.CHECKS,
    **probe.CHECKS,
}
"""All checks."""

__all__ = ["CHECKS", "TRAINER_OPTIMIZERS"]
