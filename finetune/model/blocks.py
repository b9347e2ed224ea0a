"""The ordered parts of a model: what comes before its blocks, the blocks in a row, and what follows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from finetune.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Parts:
    """Where each parameter stands between the pixels and the logits.

    Args:
        blocks: Modules in the order of the forward pass; of an architecture in stages (Swin, ConvNeXt, ResNet) the
            stages.
        depths: By parameter: 0 before the blocks, 1 to ``len(blocks)`` in them, one more after them.
    """

    blocks: tuple[nn.Module, ...]
    depths: dict[str, int]

    @property
    def top(self) -> int:
        """Depth of what follows the blocks: the final norm, a pooler and the heads."""
        return len(self.blocks) + 1


def ordered_parts(model: PreTrainedModel, key: str) -> Parts:
    """The parts of a model, found by its one list of modules of one kind.

    What a model registers before that list is taken to come before it, and what it registers later to follow, which
    holds for ViT, DeiT, BEiT, DINOv2, Swin, ConvNeXt and ResNet; no list of architectures is needed.

    Args:
        key: Of the recipe, which needs the blocks; for the message.
    Raises:
        CheckpointError: there is no such list, or less than half of the parameters are in it.
    """
    row = find_row(model)
    if row is None:
        raise CheckpointError(
            f"{key}: {type(model).__name__} has no single row of blocks that could be counted; leave {key} out, or "
            "choose a checkpoint such as ViT, DeiT, BEiT, DINOv2, Swin, ConvNeXt or ResNet"
        )
    name, blocks = row
    depths: dict[str, int] = {}
    after = 0
    for parameter, _ in model.named_parameters():
        inside = parameter.startswith(f"{name}.")
        after = len(blocks) + 1 if inside else after
        depths[parameter] = int(parameter.removeprefix(f"{name}.").partition(".")[0]) + 1 if inside else after
    return Parts(tuple(blocks), depths)


def find_row(model: nn.Module) -> tuple[str, list[nn.Module]] | None:
    """Name and modules of the one list that holds most of a model, None where there is none, or another beside it."""
    lists = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module)
    }
    outer = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    if len(outer) != 1:
        return None
    row = lists[outer[0]]
    same_kind = len({type(block) for block in row}) == 1
    sizes = [sum(parameter.numel() for parameter in module.parameters()) for module in (row, model)]
    return (outer[0], list(row)) if same_kind and 2 * sizes[0] > sizes[1] else None
