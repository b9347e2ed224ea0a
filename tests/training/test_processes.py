"""Two real processes that train as one (gloo, on the CPU)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finetune.labels import LabelSpace
from finetune.model import load_with_new_head, save_model
from finetune.model.task import Multiclass
from finetune.recipe import dump_recipe

# 24 images: 17 to train on, 7 to validate on: neither divides by two. All of DeiT's augmentation but mixing, which
# depends on how a batch is divided.
OVERRIDES = {
    "data.split.validation": 0.3, "optim.batch_size": 8, "optim.max_steps": 10, "optim.optimizer": "sgd",
    "optim.momentum": 0.0, "optim.learning_rate": 0.05, "optim.max_grad_norm": 0.0, "run.device": "cpu",
    "augment.preset": "deit", "augment.mixup_alpha": 0.0, "augment.cutmix_alpha": 0.0,
}  # fmt: skip
FIRST_STEP = Path(__file__).with_name("first_step.py")


@pytest.fixture(scope="module", params=["multiclass", "multilabel"])
def runs(request, tmp_path_factory, torchrun, tiny_vit, image_folder, image_table):
    """The same recipe trained by one process and by two; with the gradients of the first step."""
    from finetune.recipe import load_recipe

    found = {}
    folder, table = {"kind": "folder", "root": str(image_folder)}, {"kind": "csv", "root": str(image_table)}
    for processes in (1, 2):
        root = tmp_path_factory.mktemp(f"{request.param}-{processes}")
        plain = {
            "task": request.param,
            "data": folder if request.param == "multiclass" else table,
            "model": {"checkpoint": str(tiny_vit)},
            "run": {"root": str(root), "name": "run", "precision": "fp32", "tracking": []},
        }
        (root / "run.yaml").write_text(dump_recipe(load_recipe(plain, OVERRIDES)))
        done = torchrun(processes, str(FIRST_STEP), str(root / "run.yaml"))
        assert done.returncode == 0, done.stderr
        found[processes] = root, done
    return found


def relative_difference(found: dict, expected: dict) -> float:
    assert found.keys() == expected.keys()
    difference = sum(float((found[name] - expected[name]).double().pow(2).sum()) for name in expected)
    size = sum(float(tensor.double().pow(2).sum()) for tensor in expected.values())
    return (difference / size) ** 0.5


def test_the_first_gradient_is_that_of_one_process(runs):
    one, two = (torch.load(runs[n][0] / "gradients.pt", weights_only=True) for n in (1, 2))
    assert relative_difference(two, one) < 1e-6


def test_ten_steps_lead_where_one_process_leads(runs):
    one, two = (load_file(runs[n][0] / "run/checkpoints/checkpoint-10/model.safetensors") for n in (1, 2))
    assert relative_difference(two, one) < 1e-5


def test_both_use_the_same_split_and_the_same_batch(runs):
    one, two = (json.loads((runs[n][0] / "run/record.json").read_text()) for n in (1, 2))
    assert one["data"]["fingerprint"] == two["data"]["fingerprint"]
    assert one["derived"]["steps_per_epoch"] == two["derived"]["steps_per_epoch"]
    assert (one["derived"]["images_per_forward_pass"], two["derived"]["images_per_forward_pass"]) == (8, 4)
    assert two["hardware"]["processes"] == 2


def test_the_same_weights_get_the_same_metrics_to_the_last_digit(runs):
    one, two = ((runs[n][0] / "same_weights.json").read_text() for n in (1, 2))
    assert json.loads(one)["accuracy"] is not None
    assert one == two


def test_only_one_process_writes_and_prints(runs):
    root, done = runs[2]
    assert [path.name for path in root.glob("run*") if path.is_dir()] == ["run"]
    tables = [line for line in done.stderr.splitlines() if "train loss" in line]
    assert len(tables) == 1


def test_a_teachers_images_are_shared_out_and_the_gradient_is_that_of_one_process(
    recipe_for, first_gradients, tmp_path, torchrun
):
    known = load_with_new_head(recipe_for(), LabelSpace(("cross", "square", "circle")), Multiclass())
    save_model(known.model, known.pixels, tmp_path / "teacher")
    distill = {"teacher": str(tmp_path / "teacher"), "kind": "soft", "weight": 0.7}
    one_step = {**OVERRIDES, "optim.max_steps": 1, "augment.preset": "none", "evaluate.every": "never"}
    recipe = recipe_for(distill=distill, **one_step)
    (tmp_path / "run.yaml").write_text(dump_recipe(recipe))
    done = torchrun(2, str(FIRST_STEP), str(tmp_path / "run.yaml"))
    assert done.returncode == 0, done.stderr
    together = torch.load(tmp_path / "runs/gradients.pt", weights_only=True)
    assert relative_difference(together, first_gradients(recipe)) < 1e-6
