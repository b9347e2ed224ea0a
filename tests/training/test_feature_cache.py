"""Features on the disk: whole or not there, and the same for many processes as for one."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from finetune.cache import cache_dir
from finetune.errors import FinetuneError
from finetune.model import LoadedModel, open_saved
from finetune.recipe import dump_recipe
from finetune.run_folder import RunFolder
from finetune.training import feature_cache, train
from finetune.training.feature_cache import encoder_digest, features_of
from finetune.training.hardware import Hardware

ALONE = Hardware("cpu", "fp32", rank=0, processes=1)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def splits(recipe_for):
    from finetune.data import load_splits

    return load_splits(recipe_for())


def compute(loaded: LoadedModel, splits, batch_size: int = 4):
    images, contents = splits.datasets["train"], splits.contents["train"]
    return features_of(
        loaded, images, contents, ALONE, batch_size=batch_size, device=torch.device("cpu"), precision="fp32"
    )


def folders() -> list[str]:
    return sorted(path.name for path in cache_dir("features").iterdir() if path.is_dir())


def test_they_are_read_only_memory_maps_of_what_the_encoder_gives(splits, tiny_vit, monkeypatch):
    monkeypatch.setattr(feature_cache, "_PASSES", 2)  # three writes of at most eight rows
    loaded = open_saved(tiny_vit)
    first, second = compute(loaded, splits), compute(loaded, splits)
    assert (first.cached, second.cached) == (False, True)
    features = second.heads["classifier"]
    assert isinstance(features, np.memmap)
    assert not features.flags.writeable
    from finetune.data import DecodedImages
    from finetune.predict import encode

    images = DecodedImages(splits.datasets["train"])
    expected = encode(loaded.model, images, loaded.pixels, batch_size=4, device="cpu")
    assert np.array_equal(features, expected["classifier"])


def test_what_a_killed_process_left_is_ignored_and_replaced(splits, tiny_vit, monkeypatch):
    encode, loaded = feature_cache.encode, open_saved(tiny_vit)
    calls = []

    def killed_at_the_second_piece(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(*arguments, **options)

    monkeypatch.setattr(feature_cache, "_PASSES", 2)
    monkeypatch.setattr(feature_cache, "encode", killed_at_the_second_piece)
    with pytest.raises(KeyboardInterrupt):
        compute(loaded, splits)
    assert [name.endswith(".part") for name in folders()] == [True]
    monkeypatch.setattr(feature_cache, "encode", encode)
    features = compute(loaded, splits)
    assert not features.cached
    assert features.heads["classifier"].any(axis=1).all()
    assert [name.endswith(".part") for name in folders()] == [False]


def test_a_digest_knows_the_encoder_and_not_the_head_or_the_names_of_its_classes(tiny_vit):
    model = open_saved(tiny_vit).model
    before = encoder_digest(model)
    torch.nn.init.normal_(model.classifier.weight)
    model.config.id2label = {i: f"other {i}" for i in range(5)}
    assert encoder_digest(model) == before
    with torch.no_grad():
        model.vit.embeddings.cls_token[0, 0, 0] += 1e-6
    assert encoder_digest(model) != before
    changed = open_saved(tiny_vit).model
    changed.config.layer_norm_eps = 0.1
    assert encoder_digest(changed) != before


def test_a_cache_that_cannot_be_written_says_what_to_do(splits, tiny_vit, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(FinetuneError, match=r"features of 18 images .* cannot be written .*No space left on device"):
        compute(open_saved(tiny_vit), splits)


def test_two_processes_save_what_one_saves(recipe_for, tmp_path):
    nothing = dict.fromkeys(("optim.epochs", "optim.batch_size", "optim.learning_rate"))
    probe = {"optim.preset": "auto", "model.train": "probe", "evaluate.batch_size": 4, "run.device": "cpu"}
    recipe = recipe_for(**nothing, **probe)
    one, two = train(recipe), recipe_for(**nothing, **probe, **{"run.name": "two"})
    (tmp_path / "two.yaml").write_text(dump_recipe(two))
    call = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "finetune"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DEIT_FINETUNE_CACHE": str(tmp_path / "of two")}
    done = subprocess.run(
        [*call, str(tmp_path / "two.yaml")], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    other = RunFolder.open(one.path.with_name("two"))
    assert other.read_record()["hardware"]["processes"] == 2
    assert other.read_record()["probe"]["cached"] is False
    assert (other.model / "model.safetensors").read_bytes() == (one.model / "model.safetensors").read_bytes()
    assert other.metrics.read_bytes() == one.metrics.read_bytes()
