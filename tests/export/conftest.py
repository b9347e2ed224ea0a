"""Run folders without training: a tiny model of either kind and task, and images of the awkward sorts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finetune.run_folder import RunFolder

NAMES = ("can", "carton", "milk_bottle")


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory):
    """``make_run("vit", "multiclass")``: a finished run with weights drawn from a fixed seed, and no data."""
    import torch
    from transformers import (
        DeiTConfig,
        DeiTForImageClassificationWithTeacher,
        ViTConfig,
        ViTForImageClassification,
    )

    from finetune.model import save_model
    from finetune.model.task import Multiclass, Multilabel
    from finetune.pixels import PixelPipeline
    from finetune.recipe import load_recipe

    kinds: dict[str, Any] = {
        "vit": (ViTConfig, ViTForImageClassification),
        "distilled": (DeiTConfig, DeiTForImageClassificationWithTeacher),
    }

    def make(kind: str, task: str, **evaluate: Any) -> RunFolder:
        config_class, model_class = kinds[kind]
        config = config_class(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32,
            patch_size=8, id2label=dict(enumerate(NAMES)), label2id={name: i for i, name in enumerate(NAMES)},
            problem_type=(Multiclass if task == "multiclass" else Multilabel).problem_type,
        )  # fmt: skip
        torch.manual_seed(0)
        model = model_class(config).eval()
        for parameter in model.parameters():  # larger than at the start of training, so that images differ
            torch.nn.init.normal_(parameter, std=0.4)
        run = RunFolder.create(tmp_path_factory.mktemp("runs"), kind)
        pixels = PixelPipeline("shortest_edge", 36, 32, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        save_model(model, pixels, run.model)
        data = {"kind": "folder" if task == "multiclass" else "csv", "root": "moved/away"}
        recipe = {"task": task, "data": data, "evaluate": evaluate}
        run.write_recipe(load_recipe(recipe))
        run.update_record({"status": "finished"})
        return run

    return make


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A JPEG, a PNG, a JPEG that its EXIF turns, and a CMYK JPEG, of smooth colours and unequal sides."""
    folder = tmp_path_factory.mktemp("photos")
    small = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((80, 60), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(folder / "plain.jpg", quality=90)
    image.save(folder / "plain.png")
    image.save(folder / "turned.jpg", quality=90, exif=turned)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=90)
    return [folder / name for name in ("plain.jpg", "plain.png", "turned.jpg", "cmyk.jpg")]
