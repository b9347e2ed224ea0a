"""The head: the linear layer, or the two of a distilled model, that turns features into logits."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HeadMode = Literal["new", "keep", "extend"]
ONE_CLASS_BIAS = 20.0  # sigmoid(20) is 1 - 2e-9, 1.0 in float32
STD = 0.02  # DeiT draws its linear layers from a truncated normal of this width


def find_heads(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """The linear layers that depend on the number of classes, by name.

    ``classifier`` of a ViT, ``cls_classifier`` and ``distillation_classifier`` of a distilled DeiT,
    ``classifier.1`` of a ResNet: found by what changes when a model of the same config has one class more,
    so no list of architectures is needed and a backbone as wide as there are classes confuses nothing.

    Raises:
        CheckpointError: there is none, or something else than a linear layer depends on the classes.
    """
    heads: dict[str, nn.Linear] = {}
    for parameter in _depends_on_classes(model):
        name = parameter.rpartition(".")[0]
        layer = model.get_submodule(name)
        if not isinstance(layer, nn.Linear):
            raise CheckpointError(
                f"{type(model).__name__}: {name} depends on the number of classes and is no linear layer but "
                f"{type(layer).__name__}; its head cannot be replaced, choose a checkpoint of another architecture"
            )
        heads[name] = layer
    if not heads:
        raise CheckpointError(
            f"{type(model).__name__} has no layer that depends on the number of classes ({model.config.num_labels}), "
            "so there is no head to replace; choose a checkpoint of an image classifier"
        )
    return heads


def class_names(model: PreTrainedModel) -> list[str]:
    """The class names in a model's config, in the order of its outputs; they may repeat."""
    names = {int(number): str(name) for number, name in (model.config.id2label or {}).items()}
    return [names[number] for number in sorted(names)]


def head_names(model: PreTrainedModel) -> set[str]:
    """Names of the head's parameters."""
    return {f"{head}.{name}" for head, layer in find_heads(model).items() for name, _ in layer.named_parameters()}


def replace_head(model: PreTrainedModel, labels: LabelSpace, *, mode: HeadMode = "new", seed: int = 0) -> list[str]:
    """Give the model a head for these classes and change nothing else.

    Args:
        model: Changed in place: head, ``id2label``, ``label2id`` and with them ``num_labels``.
        labels: Position in it is the row of the head.
        mode: new draws every row; extend keeps the rows of classes that the model knows by name and draws the
            others; keep keeps all of them, in the order of ``labels``.
        seed: Of the rows that are drawn, from a truncated normal of width 0.02, with bias 0. They do not
            depend on torch's global generator, nor touch it.
    Returns:
        The classes whose rows were kept.
    Raises:
        CheckpointError: keep, and the model's classes are not these; extend, and it knows none of them.
    """
    kept = [] if mode == "new" else _classes_to_keep(model, labels, mode)
    generator = torch.Generator().manual_seed(seed)
    for name, old in find_heads(model).items():
        new = _draw(old, len(labels), generator)
        _copy_rows(old, new, kept)
        model.set_submodule(name, new)
    model.config.num_labels = len(labels)  # a few configs store it, most count id2label
    model.config.id2label, model.config.label2id = labels.id2label, dict(labels.label2id)
    for module in model.modules():
        if hasattr(module, "num_labels"):
            module.num_labels = len(labels)  # type: ignore[assignment]
    return [labels.name(to) for to, _ in kept]


def name_task(model: PreTrainedModel, problem_type: str) -> None:
    """Write the task into the config, by which ``transformers.pipeline`` picks softmax or sigmoid.

    A softmax over one class, which always says 1, has no name there: a config that says so cannot be loaded, and
    the pipeline takes the sigmoid. So it goes without a name, with a bias at which the sigmoid says 1 as well.
    """
    if problem_type != "single_label_classification" or model.config.num_labels != 1:
        model.config.problem_type = problem_type  # type: ignore[assignment]
        return
    model.config.problem_type = None
    for layer in find_heads(model).values():
        if layer.bias is not None:
            nn.init.constant_(layer.bias, ONE_CLASS_BIAS)


def _depends_on_classes(model: PreTrainedModel) -> list[str]:
    config = copy.deepcopy(model.config)
    config.num_labels = (model.config.num_labels or 0) + 1
    with torch.device("meta"):  # shapes only: no memory, no random numbers, milliseconds
        other = type(model)(config)
    shapes = {name: parameter.shape for name, parameter in other.named_parameters()}
    return [
        name for name, parameter in model.named_parameters() if shapes.get(name, parameter.shape) != parameter.shape
    ]


def _draw(old: nn.Linear, classes: int, generator: torch.Generator) -> nn.Linear:
    weight = torch.empty(classes, old.in_features)  # on the CPU, so that every device gets the same numbers
    nn.init.trunc_normal_(weight, std=STD, generator=generator)
    with torch.device("meta"):  # nn.Linear itself would draw from the global generator
        new = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    new.weight = nn.Parameter(weight.to(old.weight.device, old.weight.dtype))
    if old.bias is not None:
        new.bias = nn.Parameter(torch.zeros_like(new.weight[:, 0]))
    return new.train(old.training)


@torch.no_grad()
def _copy_rows(old: nn.Linear, new: nn.Linear, rows: list[tuple[int, int]]) -> None:
    for to, origin in rows:
        new.weight[to] = old.weight[origin]
        if new.bias is not None:
            new.bias[to] = old.bias[origin]


def _classes_to_keep(model: PreTrainedModel, labels: LabelSpace, mode: HeadMode) -> list[tuple[int, int]]:
    """(row in the new head, row in the old one) of every class that both know by name."""
    if mode == "extend" and model.config.num_labels == 1 and model.config.problem_type is None:
        raise CheckpointError(
            "model.head: extend: the checkpoint is a softmax over one class, whose row has learnt nothing; use "
            "model.head: new"
        )
    known: dict[str, list[int]] = {}
    for row, name in enumerate(class_names(model)):
        known.setdefault(name, []).append(row)
    if mode == "keep":
        _demand_same_classes(set(known), labels)
    common = [name for name in labels.names if name in known]
    if not common:
        raise CheckpointError(
            f"model.head: extend finds none of the data's {len(labels)} classes among the checkpoint's {len(known)} "
            f"({_some(set(known))}); use model.head: new"
        )
    for name in common:
        if len(known[name]) > 1:
            raise CheckpointError(
                f"model.head: {mode}: the checkpoint has {len(known[name])} classes named {name!r} "
                f"(rows {known[name]}), so which to keep is open; use model.head: new"
            )
    return [(labels.id(name), known[name][0]) for name in common]


def _demand_same_classes(known: set[str], labels: LabelSpace) -> None:
    wanted = set(labels.names)
    differences = [
        f"{who} {_some(names)}"
        for who, names in (("the data lacks", known - wanted), ("the checkpoint lacks", wanted - known))
        if names
    ]
    if differences:
        raise CheckpointError(
            f"model.head: keep needs the checkpoint's {len(known)} classes, but {' and '.join(differences)}; "
            "use model.head: extend, or new"
        )


def _some(names: set[str]) -> str:
    first = ", ".join(repr(name) for name in sorted(names)[:5])
    return f"{first} and {len(names) - 5} more" if len(names) > 5 else first
