"""FSDP in two real processes (gloo, on the CPU): each holds half of the weights, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finetune.recipe import dump_recipe

SHARDED = Path(__file__).with_name("sharded.py")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, torchrun, tiny_vit, image_folder):
    """The folder with the runs whole, sharded and interrupted: 17 images to train on, 7 to validate on."""
    from finetune.recipe import load_recipe

    root = tmp_path_factory.mktemp("sharding")
    plain = {
        "task": "multiclass",
        "data": {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.3}},
        "model": {"checkpoint": str(tiny_vit)},
        "optim": {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 8, "max_steps": 10},
        "evaluate": {"every": "steps", "every_steps": 2, "best_metric": "loss"},
        "run": {"root": str(root), "precision": "fp32", "device": "cpu", "tracking": [], "keep_checkpoints": 9},
    }
    (root / "run.yaml").write_text(dump_recipe(load_recipe(plain)))
    done = torchrun(2, str(SHARDED), str(root / "run.yaml"))
    assert done.returncode == 0, done.stderr
    return root


def record(run: Path) -> dict:
    return json.loads((run / "record.json").read_text())


def weights(folder: Path) -> torch.Tensor:
    return torch.cat([tensor.flatten() for _, tensor in sorted(load_file(folder / "model.safetensors").items())])


def test_each_process_holds_its_share_of_the_weights(runs):
    assert record(runs / "whole")["share"] == 1.0
    assert record(runs / "sharded")["share"] == pytest.approx(0.5, abs=0.02)


def test_ten_sharded_steps_lead_where_whole_weights_lead(runs):
    found, expected = (weights(runs / run / "checkpoints/checkpoint-10") for run in ("sharded", "whole"))
    assert (found - expected).norm() / expected.norm() < 1e-5


def test_images_that_do_not_divide_among_processes_score_the_same(runs):
    found, expected = (
        [json.loads(line)["validation"] for line in (runs / run / "history.jsonl").read_text().splitlines()]
        for run in ("sharded", "whole")
    )
    assert [metrics["loss"] for metrics in found] == pytest.approx([metrics["loss"] for metrics in expected], rel=1e-5)


def test_the_saved_model_is_the_best_and_whole(runs):
    best = record(runs / "sharded")["best"]["step"]
    assert best < 10
    assert torch.equal(weights(runs / "sharded/model"), weights(runs / f"sharded/checkpoints/checkpoint-{best}"))


def test_an_interrupted_sharded_run_goes_on_to_the_same_bits(runs):
    assert (runs / "interrupted/checkpoints/checkpoint-5").is_dir()
    found, expected = (weights(runs / run / "checkpoints/checkpoint-10") for run in ("interrupted", "sharded"))
    assert torch.equal(found, expected)
