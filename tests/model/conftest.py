"""Tiny models of several families, made from their configs, and recipes that name them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from finetune.labels import LabelSpace
from finetune.model import LoadedModel, choose_task, load_with_new_head, save_model
from finetune.pixels import PixelPipeline
from finetune.recipe import Recipe, load_recipe

VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
STAGES = {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1], "image_size": 32}
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1], "layer_type": "basic"}
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "vit": ("ViTConfig", "ViTForImageClassification", VIT),
    "deit": ("DeiTConfig", "DeiTForImageClassification", VIT),
    "distilled": ("DeiTConfig", "DeiTForImageClassificationWithTeacher", VIT),
    "swin": ("SwinConfig", "SwinForImageClassification", SWIN),
    "beit": ("BeitConfig", "BeitForImageClassification", {**VIT, "use_relative_position_bias": True}),
    "convnext": ("ConvNextConfig", "ConvNextForImageClassification", STAGES),
    "resnet": ("ResNetConfig", "ResNetForImageClassification", RESNET),
    "dinov2": ("Dinov2Config", "Dinov2ForImageClassification", VIT),
    "pvt": ("PvtConfig", "PvtForImageClassification", {**STAGES, "num_attention_heads": [1, 1, 1, 1]}),
}
PIXELS = PixelPipeline("shortest_edge", 36, 32, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def build() -> Callable[..., Any]:
    """``build("vit", classes=10, hidden_size=64)``: a model with weights drawn from seed 0, in evaluation mode."""

    def make(family: str, classes: int | tuple[str, ...] = 10, **changes: Any) -> Any:
        config_name, model_name, settings = FAMILIES[family]
        labels = LabelSpace.numbered(classes) if isinstance(classes, int) else LabelSpace(classes)
        config = getattr(transformers, config_name)(**{**settings, **changes})
        config.num_labels = len(labels)
        config.id2label, config.label2id = labels.id2label, labels.label2id
        torch.manual_seed(0)
        model = getattr(transformers, model_name)(config).eval()
        with torch.no_grad():  # zeros and ones hide what is copied and what is not
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        return model

    return make


@pytest.fixture
def checkpoint(build: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    """``checkpoint("vit", …)``: the same, saved in a folder of its own."""

    def make(family: str = "vit", classes: int | tuple[str, ...] = 10, **changes: Any) -> Path:
        folder = tmp_path / f"{family}-{len(list(tmp_path.iterdir()))}"
        save_model(build(family, classes, **changes), PIXELS, folder)
        return folder

    return make


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """``recipe(folder, head="keep")``: a recipe with this checkpoint and these keys of its model section."""

    def make(checkpoint: Path | str, task: str = "multiclass", seed: int = 42, **model: Any) -> Recipe:
        plain = {
            "task": task,
            "data": {"kind": "csv"},
            "model": {"checkpoint": str(checkpoint), **model},
            "run": {"seed": seed},
        }
        return load_recipe(plain)

    return make


@pytest.fixture
def load(recipe: Callable[..., Recipe]) -> Callable[..., LoadedModel]:
    """``load(folder, classes, head="keep")``: ``load_with_new_head`` of such a recipe."""

    def make(checkpoint: Path | str, classes: int | tuple[str, ...] = 3, **keys: Any) -> LoadedModel:
        labels = LabelSpace.numbered(classes) if isinstance(classes, int) else LabelSpace(classes)
        made = recipe(checkpoint, **keys)
        return load_with_new_head(made, labels, choose_task(made))

    return make


@pytest.fixture
def image() -> Image.Image:
    """A landscape of noise."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (47, 71, 3), dtype=np.uint8))


@pytest.fixture
def in_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``in_hub_cache("owner/name", folder)``: the folder's files as a download from the Hub would have left them."""
    import huggingface_hub.constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))

    def put(name: str, folder: Path, revision: str = "main", commit: str = "c0ffee" + 34 * "0") -> Path:
        repository = cache / f"models--{name.replace('/', '--')}"
        snapshot = repository / "snapshots" / commit
        shutil.copytree(folder, snapshot)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / revision).write_text(commit)
        return snapshot

    return put
