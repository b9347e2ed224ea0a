"""What a recipe may not say although each of its keys alone would be fine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from finetune.errors import DataError, did_you_mean
from finetune.metrics.names import check_metric
from finetune.recipe.augmentation import choose_augmentation
from finetune.recipe.sections import Augment, Loss, Model, Optim, Preprocessing, Recipe

Found = Iterator[tuple[str, str]]
"""Dotted keys, and what is wrong with them."""

OPTIMIZERS = ("adamw", "sgd", "adafactor")
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

UNSUITED = ("galore", "apollo", "lomo", "adalomo")
"""How the names of optimisers begin that the Trainer knows and that cannot work here."""

NO_STEPS = (
    *(f"augment.{name}" for name in Augment.model_fields),
    *(
        f"optim.{name}"
        for name in Optim.model_fields
        if name not in ("layer_decay", "unfreeze_every_epochs", "ema_decay")
    ),
    "loss.label_smoothing",
    "model.drop_path",
    "model.activation_checkpointing",
    "model.compile",
    "evaluate.patience",
    "evaluate.every_steps",
    "evaluate.every_epochs",
    "evaluate.min_improvement",
)
"""Keys of training steps, which a probe does not take. Three of optim have checks of their own."""

ALSO_SOUND = {"augment.preset": ("none",)}
"""Values that say what a probe does anyway."""


def _labels_per_image(task: str, kind: str) -> Found:
    if task == "multilabel" and kind == "folder":
        yield (
            "task",
            "found multilabel with data.kind folder, but a folder gives an image one label; "
            "write task: multiclass, or a table with data.kind csv or jsonl",
        )


def _best_metric(metric: str | None, task: str, top_k: int) -> Found:
    try:
        if metric is not None:
            check_metric(metric, task, top_k)
    except DataError as error:
        yield "evaluate.best_metric", str(error)


def _evaluation_steps(every: str, steps: int | None) -> Found:
    if every == "steps" and steps is None:
        yield "evaluate.every_steps", "missing; evaluate.every is steps, so say how many"
    if every != "steps" and steps is not None:
        yield "evaluate.every_steps", f"found {steps}, but evaluate.every is {every}; write every: steps, or null here"


def _evaluation_epochs(every: str, epochs: int | None) -> Found:
    if every != "epoch" and epochs is not None:
        yield (
            "evaluate.every_epochs",
            f"found {epochs}, but evaluate.every is {every}; write every: epoch, or null here",
        )


def _without_evaluations(every: str, best_metric: str | None, patience: int | None) -> Found:
    for key, value in (("evaluate.best_metric", best_metric), ("evaluate.patience", patience)):
        if every == "never" and value is not None:
            why = "but evaluate.every is never, so nothing is compared"
            yield key, f"found {value}, {why}; write every: epoch, or null here"


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
        expected = "expected adamw, sgd, adafactor or a name that transformers' Trainer knows"
        yield "optim.optimizer", f"found {name!r}, {expected}{did_you_mean(name.lower(), known)}"


def _image_size(size_px: int | None, preprocessing: Any) -> Found:
    if size_px is None or isinstance(preprocessing, str):
        return
    spelled = Preprocessing.model_validate_json(json.dumps(preprocessing))
    gives = spelled.crop_px or spelled.resize_px
    if gives != size_px:
        why = f"but model.preprocessing gives images of {gives} px"
        yield "model.image_size_px", f"found {size_px}, {why}; write the same in both"


def _loss_fits_task(kind: str, pos_weight: Any, task: str) -> Found:
    if task == "multiclass" and kind == "asymmetric":
        why = "but it weighs present against absent labels, and with task multiclass one is always present"
        yield "loss.kind", f"found asymmetric, {why}; write cross_entropy, binary_cross_entropy or focal"
    if task == "multilabel" and kind == "cross_entropy":
        why = "but a softmax lets labels compete, and with task multilabel several may be present"
        yield "loss.kind", f"found cross_entropy, {why}; write binary_cross_entropy, focal or asymmetric"
    if task == "multiclass" and pos_weight is not None:
        why = "but with task multiclass one label is always present"
        yield "loss.pos_weight", f"found {pos_weight}, {why}; write class_weights"


def _loss_keys_are_used(kind: str, gamma: float, gammas: Any, margin: float, class_weights: Any, beta: float) -> Found:
    """A default cannot be told from the same value written out, so only other values are refused."""
    plain = Loss()
    focuses = ("focal_gamma", gamma, "focal"), ("asymmetric_margin", margin, "asymmetric")
    for key, value, its_kind in (*focuses, ("asymmetric_gammas", tuple(gammas), "asymmetric")):
        if value != getattr(plain, key) and kind != its_kind:
            shown = list(value) if isinstance(value, tuple) else value
            yield f"loss.{key}", f"found {shown}, but loss.kind is {kind}; write kind: {its_kind}, or leave it out"
    if beta != plain.effective_number_beta and class_weights != "effective_number":
        why = "but loss.class_weights is not effective_number"
        yield (
            "loss.effective_number_beta",
            f"found {beta}, {why}; write class_weights: effective_number, or leave it out",
        )


def _balanced_once(class_weights: Any, pos_weight: Any, sampling: str) -> Found:
    """Rare classes are to be raised once, by one of three keys."""
    if sampling == "balanced" and isinstance(class_weights, str):
        why = "but data.sampling is balanced: rare classes would count twice over"
        yield "loss.class_weights", f"found {class_weights}, {why}; write one of the two"
    other = "data.sampling" if sampling == "balanced" else "loss.class_weights"
    if pos_weight == "balanced" and (sampling == "balanced" or isinstance(class_weights, str)):
        yield "loss.pos_weight", f"found balanced, but {other} raises rare classes too; write one of the two"


def _augment_keys_are_used(section: Any) -> Found:
    """Keys that shape a part of the augmentation that is off. Only values that are no default can be told."""
    augment = Augment.model_validate_json(json.dumps(section or {}))
    chosen, plain = choose_augmentation(augment), Augment()
    parts = {
        "rand_augment_operations": ("magnitude", "magnitude_std", "increasing", "probability"),
        "erasing": ("erasing_area",),
        "crop_scale": ("crop_ratio",),
    }
    for part, keys in parts.items():
        for key in keys if not getattr(chosen, part) else ():
            name = f"rand_augment_{key}" if part == "rand_augment_operations" else key
            if getattr(augment, name) != getattr(plain, name):
                off = f"but {part} is off by preset {augment.preset}"
                yield f"augment.{name}", f"found {getattr(augment, name)}, {off}; set augment.{part}, or leave it out"
    if augment.mix_probability != plain.mix_probability and not (chosen.mixup_alpha or chosen.cutmix_alpha):
        why = "but neither mixup_alpha nor cutmix_alpha is above 0"
        yield "augment.mix_probability", f"found {augment.mix_probability}, {why}; set one of them, or leave it out"
    if augment.cutmix_share != plain.cutmix_share and not (chosen.mixup_alpha and chosen.cutmix_alpha):
        why = "but mixup_alpha and cutmix_alpha are not both above 0"
        yield "augment.cutmix_share", f"found {augment.cutmix_share}, {why}; set both, or leave it out"


def _temperature(distill: Any) -> Found:
    if isinstance(distill, dict) and distill.get("temperature") is not None and distill.get("kind", "hard") == "hard":
        why = "but distill.kind is hard, which takes the teacher's decisions"
        yield "distill.temperature", f"found {distill['temperature']}, {why}; write kind: soft, or leave it out"


def _train_keys_are_used(train: str, blocks: int, lora: Any, probe: Any) -> Found:
    """Keys of one way to train beside another; only values that are no default can be told."""
    plain = Model().model_dump(mode="json")
    given = {"train_blocks": blocks}
    for key, section in (("lora", lora), ("probe", probe)):
        given |= {f"{key}.{name}": value for name, value in (section.items() if isinstance(section, dict) else ())}
    for key, value in given.items():
        section, _, name = key.partition(".")
        way = section if name else "last_n_blocks"
        if train != way and value != (plain[section][name] if name else plain[section]):
            yield f"model.{key}", f"found {value}, but model.train is {train}; write {way}, or leave it out"


def _what_learns(train: str, layer_decay: float | None, unfreeze: float | None) -> Found:
    if layer_decay is not None and train not in ("all", "last_n_blocks"):
        yield "optim.layer_decay", f"found {layer_decay}, but with model.train {train} no block learns; write null here"
    if unfreeze is not None and train != "all":
        why = f"but model.train is {train}, which says what learns from first to last"
        yield "optim.unfreeze_every_epochs", f"found {unfreeze}, {why}; write train: all, or null here"


def _drawn_weights(weights: str, head: str) -> Found:
    if weights == "random" and head != "new":
        yield "model.head", f"found {head}, but with model.weights random there is no head to take; write head: new"


def _probe(train: str, head: str, distill: Any, ema_decay: float | None) -> Found:
    if train != "probe":
        return
    if head != "new":
        yield "model.head", f"found {head}, but with model.train probe a solver fits the head; write head: new"
    if distill is not None:
        yield "distill", "a probe is fitted on the labels alone; write distill: null, or train: head"
    if ema_decay is not None:
        yield (
            "optim.ema_decay",
            f"found {ema_decay}, but a probe takes no steps that could be averaged; write null here",
        )


def _probe_steps(train: str, *values: Any) -> Found:
    """A probe is fitted by a solver: what says how a training step varies images, counts or moves has no effect."""
    for key, value in zip(NO_STEPS, values, strict=True):
        section, name = key.split(".")
        default = getattr(Recipe.model_fields[section].get_default(), name)
        found, sound = (json.loads(json.dumps(it)) for it in (value, [default, *ALSO_SOUND.get(key, ())]))
        if train == "probe" and found not in sound:
            why = "but with model.train probe a solver fits the head on features of unvaried images, and takes no steps"
            yield key, f"found {json.dumps(found)}, {why}; write {json.dumps(default)} here, or train: head"


def _probe_sampling(train: str, sampling: str) -> Found:
    if train == "probe" and sampling != "shuffled":
        why = "but with model.train probe the solver sees every image once"
        yield "data.sampling", f"found {sampling}, {why}; write shuffled, and loss.class_weights: balanced"


def _probe_loss(train: str, task: str, kind: str, class_weights: Any) -> Found:
    if train != "probe":
        return
    own = "cross_entropy" if task == "multiclass" else "binary_cross_entropy"
    if kind not in ("auto", own):
        yield "loss.kind", f"found {kind}, but with model.train probe it is {own}; write auto, or train: head"
    if class_weights == "effective_number":
        why = "but model.train probe knows class weights that are balanced or given"
        yield "loss.class_weights", f"found effective_number, {why}; write one of these, or train: head"
    elif class_weights is not None and task == "multilabel":
        why = "but with model.train probe and task multilabel each class is fitted by itself"
        yield "loss.class_weights", f"found {json.dumps(class_weights)}, {why}; write pos_weight, or null here"


CHECKS: dict[Callable[..., Found], tuple[str, ...]] = {
    _labels_per_image: ("task", "data.kind"),
    _best_metric: ("evaluate.best_metric", "task", "evaluate.top_k"),
    _evaluation_steps: ("evaluate.every", "evaluate.every_steps"),
    _evaluation_epochs: ("evaluate.every", "evaluate.every_epochs"),
    _without_evaluations: ("evaluate.every", "evaluate.best_metric", "evaluate.patience"),
    _warmup: ("optim.warmup_steps", "optim.warmup_fraction", "optim.max_steps"),
    _pieces: ("optim.accumulation_steps", "optim.batch_size"),
    _optimizer: ("optim.optimizer",),
    _loss_fits_task: ("loss.kind", "loss.pos_weight", "task"),
    _loss_keys_are_used: (
        "loss.kind",
        "loss.focal_gamma",
        "loss.asymmetric_gammas",
        "loss.asymmetric_margin",
        "loss.class_weights",
        "loss.effective_number_beta",
    ),
    _balanced_once: ("loss.class_weights", "loss.pos_weight", "data.sampling"),
    _augment_keys_are_used: ("augment",),
    _temperature: ("distill",),
    _train_keys_are_used: ("model.train", "model.train_blocks", "model.lora", "model.probe"),
    _what_learns: ("model.train", "optim.layer_decay", "optim.unfreeze_every_epochs"),
    _drawn_weights: ("model.weights", "model.head"),
    _probe_steps: ("model.train", *NO_STEPS),
    _probe_sampling: ("model.train", "data.sampling"),
    _probe_loss: ("model.train", "task", "loss.kind", "loss.class_weights"),
    _probe: ("model.train", "model.head", "distill", "optim.ema_decay"),
    _image_size: ("model.image_size_px", "model.preprocessing"),
}
"""Each check and the keys whose values it takes. It is left out where one of them has a fault of its own."""
