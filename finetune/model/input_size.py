"""Another input size than the checkpoint's: position embeddings are resampled, nothing else changes."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812

from finetune.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

MAX_EXTRA_TOKENS = 2  # a class token, and DeiT's distillation token


def image_size_px(model: PreTrainedModel) -> int | None:
    """Side of the square input in pixels that the model's config names, None where it names none."""
    return config_size_px(model.config)


def config_size_px(config: PreTrainedConfig) -> int | None:
    """The same, of a config."""
    size = getattr(config, "image_size", None)
    if isinstance(size, (list, tuple)):
        if len(set(size)) != 1:
            raise CheckpointError(f"the checkpoint takes images of {list(size)} px; here images are square")
        return int(size[0])
    return None if size is None else int(size)


def with_image_size(model: PreTrainedModel, size_px: int) -> PreTrainedModel:
    """The same model for square images of another size.

    Position embeddings are resampled (bicubic) on the grid of patches, as DeiT did for its 384 px versions;
    class and distillation tokens keep theirs. A model whose weights do not depend on the size keeps them all.

    Args:
        model: On the CPU.
        size_px: Side of the new input in pixels.
    Raises:
        CheckpointError: the size is no multiple of the patch, or weights depend on it that are no
            absolute position embeddings.
    """
    if image_size_px(model) == size_px:
        return model
    if image_size_px(model) is None:  # nothing in the config to change: it takes any size, or it does not
        _check_forward(model, size_px)
        return model
    weights = {**model.state_dict(), **resampled(model, size_px)}
    other = type(model)(_config_for(model, size_px))
    other.load_state_dict(weights, strict=True)
    _check_forward(other, size_px)
    other.train(model.training)
    return other


def resampled(model: PreTrainedModel, size_px: int) -> dict[str, torch.Tensor]:
    """The weights that depend on the image size, by name, as another size has them.

    Args:
        model: Whose config names a size. It may be without weights: then so is what is returned.
    Raises:
        CheckpointError: as ``with_image_size``.
    """
    bound = _depends_on_size(model, _config_for(model, size_px))
    if bound:
        _check_multiple_of_patch(model, size_px)
    weights = model.state_dict()
    return {name: _resample(model, name, weights[name], shape) for name, shape in bound.items()}


def bound_to_size(model: PreTrainedModel, size_px: int) -> bool:
    """Whether the model has weights that would have to change for this size."""
    if image_size_px(model) in (None, size_px):
        return False
    return bool(_depends_on_size(model, _config_for(model, size_px)))


def resample_positions(table: torch.Tensor, extra: int, grid: int) -> torch.Tensor:
    """Resample position embeddings to another grid.

    Args:
        table: (1, extra + old_grid², width).
        extra: Tokens in front that are no patches.
        grid: Patches along a side, after.
    Returns:
        (1, extra + grid², width).
    """
    width = table.shape[-1]
    old = math.isqrt(table.shape[1] - extra)
    plane = table[:, extra:].reshape(1, old, old, width).permute(0, 3, 1, 2)
    plane = F.interpolate(plane, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([table[:, :extra], plane.permute(0, 2, 3, 1).reshape(1, grid * grid, width)], dim=1)


def _config_for(model: PreTrainedModel, size_px: int) -> PreTrainedConfig:
    config = copy.deepcopy(model.config)
    config.image_size = size_px if isinstance(config.image_size, int) else [size_px, size_px]
    return config


def _depends_on_size(model: PreTrainedModel, config: PreTrainedConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        other = type(model)(config)
    now = {name: parameter.shape for name, parameter in model.named_parameters()}
    return {name: parameter.shape for name, parameter in other.named_parameters() if now[name] != parameter.shape}


def _resample(model: PreTrainedModel, name: str, table: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    extra = _extra_tokens(table.shape, shape)
    if not name.endswith("position_embeddings") or extra is None:
        raise CheckpointError(
            f"model.image_size_px: {name} of {type(model).__name__} depends on the image size, {tuple(table.shape)} "
            f"against {tuple(shape)}, and is no table of absolute position embeddings that could be resampled; leave "
            "image_size_px out, or choose a ViT, DeiT or convolutional checkpoint"
        )
    return resample_positions(table, extra, math.isqrt(shape[1] - extra))


def _extra_tokens(old: torch.Size, new: torch.Size) -> int | None:
    if len(old) != 3 or len(new) != 3 or (old[0], old[2]) != (new[0], new[2]):
        return None
    for extra in range(MAX_EXTRA_TOKENS + 1):
        if all(math.isqrt(count - extra) ** 2 == count - extra for count in (old[1], new[1])):
            return extra
    return None


def _check_multiple_of_patch(model: PreTrainedModel, size_px: int) -> None:
    patch = getattr(model.config, "patch_size", None)
    if isinstance(patch, int) and size_px % patch:
        below = size_px // patch * patch
        near = f"{below} or {below + patch}" if below else f"{patch}"
        raise CheckpointError(
            f"model.image_size_px: {size_px} is no multiple of the checkpoint's patch of {patch} px; use {near}"
        )


@torch.no_grad()
def _check_forward(model: PreTrainedModel, size_px: int) -> None:
    model.eval()  # type: ignore[no-untyped-call]
    try:
        model(pixel_values=torch.zeros(1, 3, size_px, size_px))
    except Exception as error:
        raise CheckpointError(
            f"{type(model).__name__} cannot take images of {size_px} px ({error}); choose another model.image_size_px"
        ) from error
