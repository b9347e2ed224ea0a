"""Where the settings of transformers' TrainingArguments and of Azure's fine-tuning component went.

Each has a key here, or a reason why it has none. ``recipes/README.md`` shows both tables, and a user who writes one of
these names in a recipe is told the key.
"""

from __future__ import annotations

from finetune.recipe.elsewhere.azure import AZURE
from finetune.recipe.elsewhere.place import Place, table
from finetune.recipe.elsewhere.training_arguments import TRAINING_ARGUMENTS

__all__ = ["AZURE", "OTHER_NAMES", "TRAINING_ARGUMENTS", "Place", "our_keys", "why_not"]

OTHER_NAMES = table(
    {
        "lr": "optim.learning_rate",
        "base_lr": "optim.learning_rate",
        "wd": "optim.weight_decay",
        "bs": "optim.batch_size",
        "clip_grad": "optim.max_grad_norm",
        "scheduler": "optim.schedule",
        "opt": "optim.optimizer",
        "warmup": "optim.warmup_steps optim.warmup_fraction",
        "warmup_ratio": "optim.warmup_fraction",
        "smoothing": "loss.label_smoothing",
        "early_stopping": "evaluate.patience",
        "early_stopping_patience": "evaluate.patience",
        "img_size": "model.image_size_px",
        "image_size": "model.image_size_px",
        "pretrained": "model.checkpoint",
        "output": "run.root run.name",
        "num_workers": "data.workers",
        "path": "data.root",
        "folder": "data.root",
    }
)
"""What people write out of habit."""


def our_keys(word: str) -> tuple[str, ...]:
    """The keys for a name from elsewhere; empty where there are none.

    >>> our_keys("num_train_epochs"), our_keys("lr"), our_keys("local_rank")
    (('optim.epochs',), ('optim.learning_rate',), ())
    """
    for known in (TRAINING_ARGUMENTS, AZURE, OTHER_NAMES):
        if word in known:
            return known[word].keys
    return ()


def why_not(word: str) -> str | None:
    """The reason why a name from elsewhere has no key, or None.

    >>> why_not("local_rank")
    'read from the environment that torchrun and accelerate set'
    """
    for known in (TRAINING_ARGUMENTS, AZURE):
        if word in known and not known[word].keys:
            return known[word].note
    return None
