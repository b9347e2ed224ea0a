"""Small real parts that all tests share: images on disk, checkpoints made from a config, a recipe for them."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

CLASSES = ("circle", "cross", "square")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved ViT classifier: 32 px, patch 8, 2 layers, 5 classes, random weights."""
    from transformers import ViTConfig, ViTForImageClassification

    return _save_tiny(tmp_path_factory.mktemp("tiny_vit"), ViTConfig, ViTForImageClassification)


@pytest.fixture(scope="session")
def tiny_distilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved distilled DeiT with two heads, of the same size."""
    from transformers import DeiTConfig, DeiTForImageClassificationWithTeacher

    return _save_tiny(tmp_path_factory.mktemp("tiny_distilled"), DeiTConfig, DeiTForImageClassificationWithTeacher)


def _save_tiny(folder: Path, config_class: Any, model_class: Any) -> Path:
    import torch

    from finetune.model import save_model
    from finetune.pixels import PixelPipeline

    torch.manual_seed(0)
    config = config_class(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8,
        num_labels=5,
    )  # fmt: skip
    pixels = PixelPipeline("shortest_edge", 36, 32, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    save_model(model_class(config), pixels, folder)
    return folder


@pytest.fixture(scope="session")
def draw_model() -> Callable[..., Any]:
    """``draw_model(NAMES, "multilabel")``: a `LoadedModel` that was drawn and not trained.

    Args of what it returns:
        names: The classes.
        task: multiclass or multilabel.
        kind: ``vit``, or ``distilled`` for a DeiT of two heads.
        std: Of every parameter, larger than at the start of training, so that images are told apart.
        pixels: The pipeline, by default one that resizes and crops.
        shape: Of the config, such as ``num_hidden_layers=1``.
    """
    import torch
    from transformers import DeiTConfig, DeiTForImageClassificationWithTeacher, ViTConfig, ViTForImageClassification

    from finetune.model import LoadedModel
    from finetune.model.head import name_task
    from finetune.pixels import PixelPipeline

    kinds: dict[str, Any] = {
        "vit": (ViTConfig, ViTForImageClassification),
        "distilled": (DeiTConfig, DeiTForImageClassificationWithTeacher),
    }
    problems = {"multiclass": "single_label_classification", "multilabel": "multi_label_classification"}
    cropped = PixelPipeline("shortest_edge", 36, 32, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    def draw(
        names: Sequence[str], task: str = "multiclass", kind: str = "vit", *, std: float = 0.3, seed: int = 0,
        pixels: Any = cropped, **shape: Any,
    ) -> Any:  # fmt: skip
        config_class, model_class = kinds[kind]
        small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        config = config_class(
            **{**small, **shape}, image_size=pixels.size_px, patch_size=8,
            id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
        )  # fmt: skip
        torch.manual_seed(seed)
        model = model_class(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=std)
        name_task(model, problems[task])
        return LoadedModel(model, pixels)

    return draw


@pytest.fixture(scope="session")
def draw_run(draw_model: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """``draw_run(NAMES, "multilabel")``: a finished `RunFolder` of such a model, without data; arguments as of
    ``draw_model``, and ``evaluate``, that section of its recipe."""
    from finetune.model import save_model
    from finetune.recipe import load_recipe
    from finetune.run_folder import RunFolder

    def write(
        names: Sequence[str], task: str = "multiclass", kind: str = "vit", *, evaluate: Any = None, **model: Any
    ) -> Any:
        loaded = draw_model(names, task, kind, **model)
        run = RunFolder.create(tmp_path_factory.mktemp("runs"), task)
        data = {"kind": "folder" if task == "multiclass" else "csv", "root": "moved/away"}
        run.write_recipe(load_recipe({"task": task, "data": data, "evaluate": evaluate or {}}))
        save_model(loaded.model, loaded.pixels, run.model)
        run.update_record({"status": "finished"})
        return run

    return write


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of 8 PNG images each, 40 × 48 px of coloured noise with a class-specific mark."""
    root = tmp_path_factory.mktemp("images")
    for number, name in enumerate(CLASSES):
        for i in range(8):
            file = root / name / f"{i}.png"
            file.parent.mkdir(exist_ok=True)
            noise_image(100 * number + i, mark=number).save(file)
    return root


@pytest.fixture(scope="session")
def image_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``labels.csv`` and ``images/`` with 21 images of one or two labels each."""
    root = tmp_path_factory.mktemp("table")
    (root / "images").mkdir()
    with (root / "labels.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["filename", "labels"])
        for i in range(21):
            noise_image(i, mark=i % 3).save(root / "images" / f"{i}.png")
            rows.writerow([f"{i}.png", " ".join({CLASSES[i % 3], CLASSES[(i // 3) % 3]})])
    return root


def noise_image(seed: int, mark: int) -> Image.Image:
    """Noise with one bright band whose place tells the class."""
    pixels = np.random.default_rng(seed).integers(0, 200, (48, 40, 3), dtype=np.uint8)
    pixels[16 * mark : 16 * mark + 12] = 250
    return Image.fromarray(pixels)


@pytest.fixture
def recipe_for(tiny_vit: Path, image_folder: Path, tmp_path: Path) -> Callable[..., Any]:
    """``recipe_for(**{"optim.epochs": 2})``: a recipe that trains for an instant, with overrides."""
    from finetune.recipe import load_recipe

    def make(**overrides: Any) -> Any:
        plain = {
            "task": "multiclass",
            "data": {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.25}},
            "model": {"checkpoint": str(tiny_vit)},
            "optim": {"preset": "plain", "epochs": 2, "batch_size": 8, "learning_rate": 1e-3},
            "run": {"root": str(tmp_path / "runs"), "name": "tiny", "precision": "fp32", "tracking": []},
        }
        return load_recipe(plain, overrides)

    return make


@pytest.fixture
def multilabel(image_table: Path) -> dict[str, Any]:
    """Overrides that turn ``recipe_for`` into a multi-label recipe."""
    return {"task": "multilabel", "data": {"kind": "csv", "root": str(image_table), "split": {"validation": 0.25}}}


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """``command("RECIPE", …)``: the real command line in a process of its own."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options.setdefault("timeout", 300)
        call = [sys.executable, "-m", "finetune", *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=False, **options)

    return run


@pytest.fixture(scope="session")
def browser() -> str:
    """A Chromium's command; without one the test is left out, or fails where CI is set."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and os.environ.get("CI"):
        pytest.fail("no Chromium: CI must have one")
    return found or pytest.skip("no Chromium")
