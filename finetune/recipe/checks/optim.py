"""``optim``."""

from __future__ import annotations

from collections.abc import Sequence

from finetune.errors import did_you_mean
from finetune.recipe.checks.found import Checks, Found
from finetune.recipe.sections import Optim
from finetune.recipe.settings import PUBLISHED
from finetune.recipe.words import found

OPTIMIZERS = ("adamw", "muon", "sgd", "adafactor")
"""The names that the runner gives a meaning of its own."""

_TRAINER_NAMES = (
    "adamw_torch adamw_torch_fused adamw_torch_xla adamw_torch_npu_fused adafactor adamw_anyprecision adamw_torch_4bit "
    "adamw_torch_8bit ademamix sgd adagrad adamw_bnb_8bit adamw_8bit ademamix_8bit lion_8bit lion_32bit "
    "paged_adamw_32bit paged_adamw_8bit paged_ademamix_32bit paged_ademamix_8bit paged_lion_32bit paged_lion_8bit "
    "rmsprop rmsprop_bnb rmsprop_bnb_8bit rmsprop_bnb_32bit galore_adamw galore_adamw_8bit galore_adafactor "
    "galore_adamw_layerwise galore_adamw_8bit_layerwise galore_adafactor_layerwise lomo adalomo grokadamw "
    "schedule_free_radam schedule_free_adamw schedule_free_sgd apollo_adamw apollo_adamw_layerwise stable_adamw"
)

TRAINER_OPTIMIZERS = tuple(_TRAINER_NAMES.split())
"""What transformers' Trainer names, written out because importing it takes seconds; a test compares the two."""

WITHOUT_BETAS = ("sgd", "adafactor", "adagrad", "rmsprop", "grokadamw", "schedule_free_sgd")
"""How the names of optimisers begin to which the Trainer gives neither betas nor epsilon; a test compares."""

OTHER_RATES = {"sgd": "0.01", "adagrad": "0.01", "lion": "1e-5", "schedule_free_sgd": "0.1"}
"""How the names of optimisers begin that want rates of another size than Adam's kind, and a rate to begin with.

The others divide a gradient by its running size, so that a weight moves by about the rate whatever the loss. SGD moves
by rate times gradient, Adagrad less from step to step, and Lion always by the whole rate (Chen et al., 2023: 3 to 10
times less than AdamW's). 0.01 is that of DeiT's transfer.
"""

UNSUITED = ("galore", "apollo", "lomo", "adalomo")
"""How the names of optimisers begin that the Trainer knows and that cannot work here."""


def _warmup(steps: int | None, fraction: float | None, max_steps: int | None) -> Found:
    if steps and fraction:
        yield "optim.warmup_steps", f"found {steps}, but warmup_fraction is {fraction}; write one of the two"
    if steps and max_steps and steps >= max_steps:
        why = f"but training ends after max_steps {max_steps}"
        yield "optim.warmup_steps", f"found {steps}, {why}; expected fewer"


def _pieces(pieces: int, batch_size: int | None) -> Found:
    if batch_size is not None and pieces > batch_size:
        yield (
            "optim.accumulation_steps",
            f"found {pieces}, but a batch of {batch_size} cannot be cut into more than {batch_size} pieces; "
            "raise batch_size, which counts the images of all pieces together",
        )


def _optimizer(name: str | None) -> Found:
    if name is None:
        return
    known = dict.fromkeys((*OPTIMIZERS, *TRAINER_OPTIMIZERS))
    if name.startswith(UNSUITED):
        why = "it needs a list of target modules or a training loop of its own, which is made for language models"
        yield "optim.optimizer", f"found {name!r}, which has no place here: {why}; take adamw, sgd or adafactor"
    elif name not in known:
        expected = "expected adamw, muon, sgd, adafactor or a name that transformers' Trainer knows"
        yield "optim.optimizer", f"found {name!r}, {expected}{did_you_mean(name.lower(), known)}"


def _auto_knows_its_rate(train: str, name: str | None, preset: str, learning_rate: float | None) -> Found:
    """What auto chooses is AdamW's, at which SGD would learn next to nothing."""
    plain = (name or "").removeprefix("paged_")
    start = next((rate for begins, rate in OTHER_RATES.items() if plain.startswith(begins)), None)
    if preset == "auto" and start and learning_rate is None and train != "probe":  # which refuses all keys of optim
        why = f"but preset auto chooses rates for adamw and its kind, which are of another size than {name}'s"
        cure = f"write optim.learning_rate too ({start} to begin with, and deit-finetune find-lr looks further)"
        yield "optim.optimizer", f"found {name!r}, {why}; {cure}"


def _optimizer_keys_are_used(
    train: str, name: str | None, preset: str, momentum: float, betas: Sequence[float], epsilon: float
) -> Found:
    """Keys of one optimiser beside another; only values that are no default can be told."""
    if train == "probe":
        return  # which refuses all keys of optim
    optimizer = name or ("adamw" if preset == "auto" else PUBLISHED[preset].optimizer)
    without_betas = optimizer.startswith(WITHOUT_BETAS)
    unheard = {
        "momentum": optimizer not in ("sgd", "muon"),
        "betas": without_betas,
        "epsilon": without_betas or "lion" in optimizer,
    }
    why = f"but it does not reach {optimizer}" + ("" if name else f", which preset {preset} chooses")
    own = "" if optimizer in OPTIMIZERS[:3] else f" (optimizer_args takes what {optimizer} alone knows)"
    for key, value in {"momentum": momentum, "betas": tuple(betas), "epsilon": epsilon}.items():
        if unheard[key] and value != getattr(Optim(), key):
            other = "sgd" if key == "momentum" else "adamw"
            yield f"optim.{key}", f"found {found(value)}, {why}; write optimizer: {other}, or leave it out{own}"


CHECKS: Checks = {
    _warmup: ("optim.warmup_steps", "optim.warmup_fraction", "optim.max_steps"),
    _pieces: ("optim.accumulation_steps", "optim.batch_size"),
    _optimizer: ("optim.optimizer",),
    _auto_knows_its_rate: ("model.train", "optim.optimizer", "optim.preset", "optim.learning_rate"),
    _optimizer_keys_are_used: (
        "model.train",
        "optim.optimizer",
        "optim.preset",
        "optim.momentum",
        "optim.betas",
        "optim.epsilon",
    ),
}
