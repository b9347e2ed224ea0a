"""A finished run made of real parts, with a tiny model that was drawn and not trained."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.api import Run
from finetune.data import DecodedImages, load_splits, targets
from finetune.metrics import score_metrics
from finetune.model import choose_task, save_model
from finetune.pixels import PixelPipeline
from finetune.predict import prediction_rows, score
from finetune.recipe import load_recipe
from finetune.run_folder import RunFolder

PIXELS = PixelPipeline("squash", 16, None, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NAMES = ["can", "carton"]


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Twelve photographs (of noise) of two classes; as class folders, and as a table with several labels each."""
    root = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0)
    rows = ["filename,labels"]
    for number in range(12):
        for folder in (root / "folders" / NAMES[number % 2], root / "table" / "images"):
            folder.mkdir(parents=True, exist_ok=True)
            pixels = noise.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{' '.join(NAMES[: number % 3])}")
    (root / "table" / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="session")
def make_run(photos, draw_model, tmp_path_factory):
    """A function that writes a finished run of a task and returns it as `finetune.Run`."""

    def make(task_name: str = "multiclass") -> Run:
        kind = {"kind": "folder", "root": str(photos / "folders")}
        if task_name == "multilabel":
            kind = {"kind": "csv", "root": str(photos / "table")}
        recipe = load_recipe({"task": task_name, "data": {**kind, "split": {"validation": 0.5}}})
        splits, task = load_splits(recipe), choose_task(recipe)
        loaded = draw_model(splits.labels.names, task_name, std=0.02, pixels=PIXELS)
        folder = RunFolder.create(tmp_path_factory.mktemp("runs"), task_name)
        folder.write_recipe(recipe)
        save_model(loaded.model, loaded.pixels, folder.model)
        for step in (3, 6):
            scores = {"loss": 1 / step, "accuracy": step / 10, "mAP": None, "f1_macro": 0.5}
            folder.append_history({"step": step, "epoch": step / 3, "train_loss": 2 / step, "validation": scores})
        held_out = splits.datasets["validation"]
        logits = score(loaded.model, DecodedImages(held_out), PIXELS, batch_size=16, device="cpu")
        truth = targets(held_out)
        folder.write_metrics({"validation": score_metrics(task_name, logits, truth, splits.labels)})
        rows = prediction_rows("validation", held_out["path"], truth, logits, splits.labels, task, 0.5)
        folder.write_predictions(rows)
        folder.update_record({"status": "finished", "data": splits.source, "best": {"step": 6}})
        return Run(folder)

    return make


@pytest.fixture(scope="session")
def run(make_run) -> Run:
    return make_run()


@pytest.fixture(scope="session")
def multilabel_run(make_run) -> Run:
    return make_run("multilabel")
