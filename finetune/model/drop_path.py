"""Stochastic depth: while a model trains, a block's branches are skipped for some of the images.

Source: Huang et al., "Deep Networks with Stochastic Depth" (2016), as DeiT and timm apply it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from finetune.errors import CheckpointError
from finetune.model.blocks import ordered_parts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KEY = "model.drop_path"
BRANCHES = ("attention", "mlp")


def drop_branches(model: PreTrainedModel, last_rate: float) -> None:
    """Skip each block's attention and its MLP, each drawn anew for every image, while the model is in training mode.

    Blocks of which nothing learns keep theirs: there it would only be noise in what the others are given.

    Hooks do it: neither the weights nor the config that are saved know of it, and evaluation is as it was.

    Args:
        model: Its parameters that learn are known by now (``requires_grad``).
        last_rate: Probability in the last block; it rises evenly from 0 in the first, frozen blocks counted.
    Raises:
        CheckpointError: the architecture has stochastic depth of its own, or blocks of another build.
    """
    if not last_rate:
        return
    _refuse_own_way(model)
    blocks = ordered_parts(model, KEY).blocks
    for number, block in enumerate(blocks):
        if not any(parameter.requires_grad for parameter in block.parameters()):
            continue
        rate = last_rate * number / max(1, len(blocks) - 1)
        for branch in BRANCHES:
            block.get_submodule(branch).register_forward_hook(DropBranch(rate))


class DropBranch:
    """A forward hook on a branch whose output is added to what came in.

    Args:
        rate: Probability with which an image's branch is set to 0; kept ones are scaled by 1 / (1 - rate), so that
            the expectation stays.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        if not module.training or not self.rate:
            return output
        if isinstance(output, tuple):  # attention gives its weights too
            return (self._drop(output[0]), *output[1:])
        return self._drop(output)

    def _drop(self, branch: torch.Tensor) -> torch.Tensor:
        one_an_image = (len(branch), *[1] * (branch.ndim - 1))
        kept = branch.new_empty(one_an_image).bernoulli_(1 - self.rate)
        return branch * kept / (1 - self.rate)


def _refuse_own_way(model: PreTrainedModel) -> None:
    name = type(model).__name__
    if hasattr(model.config, "drop_path_rate"):
        raise CheckpointError(
            f"{KEY}: {name} has stochastic depth of its own; leave {KEY} at 0 and set drop_path_rate in the "
            f"checkpoint's config.json, which now says {model.config.drop_path_rate}"
        )
    for block in ordered_parts(model, KEY).blocks:
        children = dict(block.named_children())
        if not all(branch in children for branch in BRANCHES):
            raise CheckpointError(
                f"{KEY}: the blocks of {name} are of {', '.join(children)}; only blocks of attention and mlp, such "
                f"as ViT's and DeiT's, can have their branches skipped; leave {KEY} at 0"
            )
