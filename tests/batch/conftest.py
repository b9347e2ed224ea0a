"""Finished runs with a tiny model that was drawn and not trained, and folders of small images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import finetune

NAMES = ("can", "carton", "water bottle")


@pytest.fixture(scope="session")
def make_run(draw_run):
    """A function that writes a finished run of a task, with weights drawn from a seed."""
    return lambda task="multiclass", seed=0: finetune.open_run(draw_run(NAMES, task, seed=seed).path, device="cpu")


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
