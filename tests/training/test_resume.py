"""Interruptions of a real process: the run that goes on ends where the uninterrupted one ends, to the last bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from finetune.recipe import dump_recipe
from finetune.training import EXIT_CODE

# 18 training images: 3 steps an epoch, a checkpoint every 2 steps: every other checkpoint lies within an epoch.
# DeiT's augmentation: everything that is drawn for an image, and mixing, which is drawn for a pass.
OVERRIDES = {
    "optim.batch_size": 6, "optim.epochs": 4, "data.workers": 2, "evaluate.every": "steps", "evaluate.every_steps": 2,
    "run.keep_checkpoints": 9, "optim.warmup_fraction": 0.1, "augment.preset": "deit",
}  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tiny_vit, image_folder):
    from finetune.recipe import load_recipe
    from finetune.training import train

    return train(load_recipe(plain(tmp_path_factory.mktemp("uninterrupted"), tiny_vit, image_folder), OVERRIDES))


def plain(root: Path, checkpoint: Path, images: Path) -> dict:
    return {
        "task": "multiclass",
        "data": {"kind": "folder", "root": str(images), "split": {"validation": 0.25}},
        "model": {"checkpoint": str(checkpoint)},
        "optim": {"learning_rate": 1e-3},
        "run": {"root": str(root), "name": "run", "precision": "fp32", "tracking": []},
    }


@pytest.fixture
def recipe_file(tmp_path, tiny_vit, image_folder):
    from finetune.recipe import load_recipe

    file = tmp_path / "run.yaml"
    file.write_text(dump_recipe(load_recipe(plain(tmp_path / "runs", tiny_vit, image_folder), OVERRIDES)))
    return file


def start(recipe_file: Path, *arguments: str) -> subprocess.Popen:
    call = [sys.executable, "-m", "finetune", str(recipe_file), *arguments]
    return subprocess.Popen(call, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for_checkpoint(process: subprocess.Popen, folder: Path, step: int) -> None:
    marker = folder / f"checkpoint-{step}" / "complete.json"
    deadline = time.monotonic() + 120
    while not marker.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no checkpoint within two minutes"
        time.sleep(0.002)


def same_model(found: Path, expected: Path) -> bool:
    a, b = load_file(found / "model/model.safetensors"), load_file(expected / "model/model.safetensors")
    return a.keys() == b.keys() and all(bool((a[name] == b[name]).all()) for name in a)


def evaluations(run: Path) -> list[dict]:
    """History without the training loss, whose mean begins anew where a run was interrupted."""
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "train_loss"} for line in lines]


def test_a_killed_run_goes_on_to_the_same_bits(recipe_file, tmp_path, uninterrupted):
    folder = tmp_path / "runs/run"
    process = start(recipe_file)
    wait_for_checkpoint(process, folder / "checkpoints", step=4)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # a checkpoint that was torn by the kill, or as good as
    torn = folder / "checkpoints/checkpoint-11"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"")
    again = start(recipe_file, "--resume")
    _, messages = again.communicate(timeout=300)
    assert again.returncode == 0, messages
    assert "checkpoint-11 was not written to its end and is skipped" in messages
    assert "going on after step" in messages
    assert same_model(folder, uninterrupted.path)
    assert (folder / "metrics.json").read_text() == uninterrupted.metrics.read_text()
    assert (folder / "history.jsonl").read_text() == uninterrupted.history.read_text()


def test_sigterm_saves_and_exits_with_the_documented_code(recipe_file, tmp_path, uninterrupted):
    folder = tmp_path / "runs/run"
    process = start(recipe_file)
    wait_for_checkpoint(process, folder / "checkpoints", step=2)
    process.send_signal(signal.SIGTERM)
    _, messages = process.communicate(timeout=300)
    assert process.returncode == EXIT_CODE == 75, messages
    assert "goes on with --resume" in messages
    again = start(recipe_file, "--resume")
    _, messages = again.communicate(timeout=300)
    assert again.returncode == 0, messages
    assert same_model(folder, uninterrupted.path)
    assert evaluations(folder) == evaluations(uninterrupted.path)


def test_other_images_are_not_resumed_on(recipe_file, tmp_path, image_folder):
    import shutil

    copied = tmp_path / "copied"
    shutil.copytree(image_folder, copied)
    arguments = ["--set", f"data.root={copied}", "--set", "optim.max_steps=2"]
    first = start(recipe_file, *arguments)
    first.communicate(timeout=300)
    assert first.returncode == 0
    record = tmp_path / "runs/run/record.json"
    record.write_text(record.read_text().replace('"finished"', '"interrupted"'))
    os.remove(next(copied.glob("*/0.png")))
    again = start(recipe_file, "--resume", *arguments)
    _, messages = again.communicate(timeout=300)
    assert again.returncode == 2
    assert "images or labels have changed" in messages
