"""``bundled:deit-nano``: a DeiT of 1.4 M parameters with a 1000-class head, drawn from a seed.

It is a real checkpoint folder, so everything that works on a published model works on it. Sixteen tokens of
64 px images keep it quick on two cores.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.errors import CheckpointError, did_you_mean
from finetune.labels import LabelSpace

if TYPE_CHECKING:
    from transformers import ViTForImageClassification

SEED = 20201223  # the day DeiT appeared; any constant would do
BUNDLED = ("deit-nano",)


def bundled_checkpoint(name: str) -> Path:
    """The folder of a checkpoint that comes with this package; written under the cache when first used.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    if name not in BUNDLED:
        known = ", ".join(f"bundled:{known}" for known in BUNDLED)
        raise CheckpointError(f"bundled:{name}: no such checkpoint{did_you_mean(name, BUNDLED)}; there is {known}")
    from finetune.cache import cache_dir

    folder = cache_dir("bundled") / f"{name}-v1"
    if not folder.is_dir():
        _write(folder)
    return folder


def _write(folder: Path) -> None:
    """Write beside the folder, then rename: of several processes that start at once, any may win."""
    from finetune.model.saved import save_model
    from finetune.pixels import PixelPipeline

    pixels = PixelPipeline("squash", 64, None, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        save_model(draw_nano(), pixels, draft)
        os.replace(draft, folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def draw_nano() -> ViTForImageClassification:
    """The model, the same on every machine and without touching torch's global generator."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    names = LabelSpace.numbered(1000)
    config = ViTConfig(
        image_size=64,
        patch_size=16,
        hidden_size=128,
        num_hidden_layers=6,
        num_attention_heads=4,
        intermediate_size=512,
        layer_norm_eps=1e-6,
        id2label=names.id2label,
        label2id=names.label2id,
    )
    with torch.random.fork_rng(devices=[]):
        model = ViTForImageClassification(config)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.ndim == 1:
                parameter.fill_(1.0 if "layernorm" in name and name.endswith("weight") else 0.0)
            else:
                torch.nn.init.trunc_normal_(parameter, std=0.02, generator=generator)
    model.eval()  # type: ignore[no-untyped-call]
    return model
