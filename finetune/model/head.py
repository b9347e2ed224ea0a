"""The head: the linear layer, or the two of a distilled model, that turns features into logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HeadMode = Literal["new", "keep", "extend"]
STD = 0.02  # DeiT draws its linear layers from a truncated normal of this width


def find_heads(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """The linear layers beside the backbone that give one output per class, by name.

    ``classifier`` of a ViT, ``cls_classifier`` and ``distillation_classifier`` of a distilled DeiT,
    ``classifier.1`` of a ResNet.

    Raises:
        CheckpointError: there is none.
    """
    backbone = model.base_model_prefix + "."
    heads = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and not name.startswith(backbone)
        and module.out_features == model.config.num_labels
    }
    if not heads:
        raise CheckpointError(
            f"{type(model).__name__} has no linear layer with {model.config.num_labels} outputs beside its backbone; "
            "its head cannot be replaced, so choose a checkpoint of another architecture"
        )
    return heads


def head_names(model: PreTrainedModel) -> set[str]:
    """Names of the head's parameters."""
    return {f"{head}.{name}" for head, layer in find_heads(model).items() for name, _ in layer.named_parameters()}


def replace_head(model: PreTrainedModel, labels: LabelSpace, *, mode: HeadMode = "new", seed: int = 0) -> list[str]:
    """Give the model a head for these classes and change nothing else.

    Args:
        mode: new draws every row; extend keeps the rows of classes that the model knows by name; keep keeps
            all of them, in the order of ``labels``.
        seed: Of the new rows. They do not depend on torch's global generator, nor touch it.
    Returns:
        The classes whose rows were kept.
    Raises:
        CheckpointError: keep, and the model's classes are not these.
    """
    known = _known_classes(model)
    if mode == "keep":
        _demand_same_classes(set(known), labels)
    kept = [] if mode == "new" else [name for name in labels.names if name in known]
    rows = [(labels.id(name), known[name]) for name in kept]
    generator = torch.Generator().manual_seed(seed)
    for name, old in find_heads(model).items():
        new = _draw(old, len(labels), generator)
        _copy_rows(old, new, rows)
        model.set_submodule(name, new)
    model.config.id2label, model.config.label2id = labels.id2label, dict(labels.label2id)
    if hasattr(model, "num_labels"):
        model.num_labels = len(labels)
    return kept


def _draw(old: nn.Linear, classes: int, generator: torch.Generator) -> nn.Linear:
    new = nn.utils.skip_init(nn.Linear, old.in_features, classes, bias=old.bias is not None)
    weight = torch.empty(new.weight.shape)
    nn.init.trunc_normal_(weight, std=STD, generator=generator)
    with torch.no_grad():
        new.weight.copy_(weight)
        if new.bias is not None:
            new.bias.zero_()
    return new.to(old.weight.device, old.weight.dtype).train(old.training)


@torch.no_grad()
def _copy_rows(old: nn.Linear, new: nn.Linear, rows: list[tuple[int, int]]) -> None:
    for to, origin in rows:
        new.weight[to] = old.weight[origin]
        if new.bias is not None:
            new.bias[to] = old.bias[origin]


def _known_classes(model: PreTrainedModel) -> dict[str, int]:
    names: Mapping[int, str] = model.config.id2label
    return {name: int(number) for number, name in names.items()}


def _demand_same_classes(known: set[str], labels: LabelSpace) -> None:
    wanted = set(labels.names)
    if known == wanted:
        return
    parts = [
        f"{text} {', '.join(repr(name) for name in sorted(some)[:5])}{' …' if len(some) > 5 else ''}"
        for text, some in (("the data lacks", known - wanted), ("the checkpoint lacks", wanted - known))
        if some
    ]
    raise CheckpointError(
        f"model.head: keep needs the checkpoint's {len(known)} classes, but {' and '.join(parts)}; "
        "use model.head: extend, or new"
    )
