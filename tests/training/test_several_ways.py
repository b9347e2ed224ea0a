"""Ways to train, in two real processes (gloo, on the CPU): they lead where one process leads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import ResNetConfig, ResNetForImageClassification

from finetune.data import DecodedImages, load_splits, targets
from finetune.metrics import score_metrics
from finetune.model import save_model
from finetune.model.loading import load_strictly
from finetune.pixels import PixelPipeline
from finetune.predict import score
from finetune.recipe import dump_recipe, load_recipe
from finetune.training import train
from finetune.training.averaging import FILE

SCRIPT = Path(__file__).with_name("several_ways.py")
IMAGENET = Path(__file__).parents[2] / "recipes/deit_base_imagenet.yaml"
PIXELS = PixelPipeline("squash", 32, None, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
# 24 images: 17 to train on, 7 to validate on: neither divides by two. 3 steps an epoch.
USUAL = {
    "data.split.validation": 0.3, "optim.batch_size": 8, "optim.max_steps": 6, "optim.optimizer": "sgd",
    "optim.learning_rate": 0.05, "evaluate.best_metric": "loss", "run.device": "cpu", "run.precision": "fp32",
    "run.tracking": [], "run.keep_checkpoints": 9, "evaluate.batch_size": 2,
}  # fmt: skip
WAYS = {
    "lora": {"model.train": "lora", "model.lora.rank": 4},
    "ema": {"optim.ema_decay": 0.9},
    "unfreezing": {"optim.unfreeze_every_epochs": 0.5},
    "norms": {"optim.ema_decay": 0.9, "evaluate.every": "steps", "evaluate.every_steps": 2},
}


@pytest.fixture(scope="module")
def together(tmp_path_factory, torchrun, tiny_vit, image_folder):
    """The folder with the runs of two processes, their recipes, and what they held."""
    root = tmp_path_factory.mktemp("together")
    norms = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3)
    torch.manual_seed(0)
    save_model(ResNetForImageClassification(norms), PIXELS, root / "resnet")
    for name, way in WAYS.items():
        plain = {
            "task": "multiclass",
            "data": {"kind": "folder", "root": str(image_folder)},
            "model": {"checkpoint": str(root / "resnet" if name == "norms" else tiny_vit)},
            "run": {"root": str(root), "name": name},
        }
        (root / f"{name}.yaml").write_text(dump_recipe(load_recipe(plain, {**USUAL, **way})))
    for split, images in (("train", range(6)), ("val", range(6, 8))):
        for number, folder in enumerate(sorted(image_folder.iterdir())):
            target = root / f"imagenet/{split}/n0144076{number}"
            target.mkdir(parents=True)
            for i in images:
                shutil.copy(folder / f"{i}.png", target)
    imagenet = {
        "data.root": str(root / "imagenet"), "model.checkpoint": str(tiny_vit), "optim.batch_size": 8,
        "optim.max_steps": 2, "run.root": str(root), "run.name": "paper", "run.device": "cpu", "run.tracking": [],
    }  # fmt: skip
    (root / "paper.yaml").write_text(dump_recipe(load_recipe(IMAGENET, imagenet)))
    done = torchrun(2, str(SCRIPT), *(str(root / f"{name}.yaml") for name in (*WAYS, "paper")))
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def alone(together, tmp_path_factory):
    """The folder with the same runs by one process."""
    root = tmp_path_factory.mktemp("alone")
    for name in set(WAYS) - {"norms"}:
        train(load_recipe(together / f"{name}.yaml", {"run.root": str(root)}))
    return root


def relative_difference(found: Path, expected: Path) -> float:
    ours, theirs = load_file(found), load_file(expected)
    assert ours.keys() == theirs.keys()
    difference = sum(float((ours[name] - theirs[name]).double().pow(2).sum()) for name in theirs)
    return (difference / sum(float(tensor.double().pow(2).sum()) for tensor in theirs.values())) ** 0.5


@pytest.mark.parametrize(
    ("way", "file"),
    [
        ("lora", "checkpoints/checkpoint-6/adapter_model.safetensors"),
        ("lora", "model/model.safetensors"),
        ("ema", f"checkpoints/checkpoint-6/{FILE}"),
        ("ema", "model/model.safetensors"),
        *(("unfreezing", f"checkpoints/checkpoint-{step}/model.safetensors") for step in (3, 6)),
    ],
)
def test_two_processes_lead_where_one_leads(together, alone, way, file):
    assert relative_difference(together / way / file, alone / way / file) < 1e-5


def test_every_process_scores_the_same_running_statistics_and_the_same_average(together):
    one, two = (torch.load(together / f"norms-held-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert len(one) == len(two) == 3
    for first, second in zip(one, two, strict=True):
        assert any("running_mean" in name and "average" in name for name in first)
        assert first.keys() == second.keys()
        assert not [name for name in first if not torch.equal(first[name], second[name])]


def test_what_was_scored_are_the_statistics_that_were_saved(together):
    recipe = load_recipe(together / "norms.yaml")
    splits = load_splits(recipe)
    for line in (together / "norms/history.jsonl").read_text().splitlines():
        said = json.loads(line)
        checkpoint = together / f"norms/checkpoints/checkpoint-{said['step']}"
        model = load_strictly(checkpoint)[0]
        found = {}
        for weights in ("raw", "ema"):
            if weights == "ema":
                model.load_state_dict(load_file(checkpoint / FILE), strict=False)
            images = DecodedImages(splits.datasets["validation"])
            logits = score(model.eval(), images, PIXELS, batch_size=2, device="cpu")
            found[weights] = score_metrics(
                "multiclass", np.asarray(logits), targets(splits.datasets["validation"]), splits.labels
            )["loss"]
        assert said["scores"] == pytest.approx(found, rel=1e-5)


def test_two_steps_of_the_papers_recipe_run_in_two_processes(together):
    record = json.loads((together / "paper/record.json").read_text())
    assert (record["status"], record["hardware"]["processes"]) == ("finished", 2)
    assert record["derived"]["images_per_forward_pass"] == 4
    (line,) = (together / "paper/history.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 2
