"""Parameters that no logit depends on."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def idle_parameter_names(model: PreTrainedModel) -> set[str]:
    """Names of parameters that no logit depends on; none where the architecture cannot be asked without its weights."""
    vision = getattr(model.config, "vision_config", model.config)
    size = getattr(vision, "image_size", None) or 224
    height, width = (size, size) if isinstance(size, int) else size
    try:
        with torch.device("meta"), torch.enable_grad():  # shapes and the graph only
            other = type(model)(copy.deepcopy(model.config))
            other.eval()  # type: ignore[no-untyped-call]
            other(pixel_values=torch.empty(1, 3, height, width)).logits.sum().backward()
    except Exception:  # whatever an architecture raises where its weights are no numbers
        return set()
    return {name for name, parameter in other.named_parameters() if parameter.grad is None}
