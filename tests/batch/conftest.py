"""Finished runs with a tiny model that was drawn and not trained, and folders of small images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification

import finetune
from finetune.model import save_model
from finetune.pixels import PixelPipeline
from finetune.recipe import load_recipe
from finetune.run_folder import RunFolder

NAMES = ("can", "carton", "water bottle")
PIXELS = PixelPipeline("squash", 16, None, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(scope="session")
def make_run(tmp_path_factory):
    """A function that writes a finished run of a task, with weights drawn from a seed."""

    def make(task: str = "multiclass", seed: int = 0) -> finetune.Run:
        kind = "single_label_classification" if task == "multiclass" else "multi_label_classification"
        config = ViTConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16,
            patch_size=8, id2label=dict(enumerate(NAMES)), label2id={name: i for i, name in enumerate(NAMES)},
            problem_type=kind,
        )  # fmt: skip
        torch.manual_seed(seed)
        model = ViTForImageClassification(config).eval()
        for parameter in model.parameters():  # larger than at the start of training, so that images differ
            torch.nn.init.normal_(parameter, std=0.3)
        folder = RunFolder.create(tmp_path_factory.mktemp("runs"), task)
        folder.write_recipe(load_recipe({"task": task, "data": {"kind": "csv", "root": "photos"}}))
        save_model(model, PIXELS, folder.model)
        folder.update_record({"status": "finished"})
        return finetune.open_run(folder.path, device="cpu")

    return make


@pytest.fixture(scope="session")
def run(make_run):
    return make_run()


@pytest.fixture(scope="session")
def multilabel_run(make_run):
    return make_run("multilabel")


@pytest.fixture(scope="session")
def make_images():
    """A function that fills a folder with ``0000.png`` … of noise; those of the numbers ``bad`` are no images."""

    def make(folder, count, bad=()):
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(0)
        for number in range(count):
            file = folder / f"{number:04d}.png"
            Image.fromarray(noise.integers(0, 256, (12, 14, 3), dtype=np.uint8)).save(file)
            if number in bad:
                file.write_bytes(b"not an image")
        return folder

    return make


@pytest.fixture
def photos(make_images, tmp_path):
    """Seven images, the third of them bad."""
    return make_images(tmp_path / "photos", 7, bad=[2])
