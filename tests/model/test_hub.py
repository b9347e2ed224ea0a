"""Downloads, against a real HTTP server and the real client; and what the Hub cache alone answers."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from finetune.errors import UnreachableError
from finetune.model.hub import cached_snapshot
from finetune.model.sources import locate

HERE = Path(__file__).parent
COMMIT = "a" * 40


def serve(folder):
    spec = importlib.util.spec_from_file_location("hub_server", HERE / "hub_server.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.hub(folder)


def download(endpoint, cache, *checkpoints):
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1",
    }
    call = [sys.executable, str(HERE / "download_and_report.py"), *checkpoints]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def publish(root, name, *files):
    for file in files:
        (root / name).mkdir(parents=True, exist_ok=True)
        index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
        (root / name / file).write_text(json.dumps(index) if file.endswith("index.json") else file)


def test_a_download_takes_what_is_needed_once_and_every_failure_says_why(tmp_path):
    root, cache = tmp_path / "hub", tmp_path / "cache"
    common = ("config.json", "preprocessor_config.json")
    publish(root, "some/both", *common, "model.safetensors", "pytorch_model.bin", "tf_model.h5", "README.md")
    publish(root, "some/bin", *common, "pytorch_model.bin", "optimizer.bin")
    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    publish(root, "some/shards", *common, "model.safetensors.index.json", *shards)
    publish(root, "some/plain", "config.json", "model.safetensors")
    publish(root, "some/empty", *common)
    names = (
        "some/both",
        "some/bin",
        "some/shards",
        "some/plain",
        "some/empty",
        "some/nothing",
        "some/gated",
        "some/both@v9",
    )
    with serve(root) as (endpoint, seen):
        both, binary, sharded, plain, empty, nothing, gated, revision = download(endpoint, cache, *names)
        before = len(seen)
        assert download(endpoint, cache, "some/both", "some/shards", "some/plain") == [both, sharded, plain]
        assert len(seen) == before, seen[before:]  # from the cache, without asking
    assert both == {"commit": COMMIT, "files": [*common[:1], "model.safetensors", *common[1:]]}
    assert binary["files"] == [*common, "pytorch_model.bin"]
    assert sharded["files"] == ["config.json", *shards, "model.safetensors.index.json", "preprocessor_config.json"]
    assert plain["files"] == ["config.json", "model.safetensors"]
    assert "some/empty has no weights (model.safetensors or pytorch_model.bin)" in empty["message"]
    assert "some/nothing is neither a folder here nor a checkpoint on the Hub that you may see" in nothing["message"]
    assert "some/gated asks you to accept its terms first" in gated["message"]
    assert "some/both at revision v9: the Hub has no such revision" in revision["message"]
    assert {answer["error"] for answer in (empty, nothing, gated, revision)} == {"CheckpointError"}
    (unreachable,) = download(endpoint, tmp_path / "other", "some/both")  # the server is gone
    assert unreachable["error"] == "UnreachableError"


def test_preprocessing_alone_downloads_no_weights_and_the_model_later_gets_them(tmp_path):
    root, cache = tmp_path / "hub", tmp_path / "cache"
    publish(root, "some/both", "config.json", "preprocessor_config.json", "model.safetensors")
    with serve(root) as (endpoint, seen):
        (light,) = download(endpoint, cache, "--without-weights", "some/both")
        before = len(seen)
        assert download(endpoint, cache, "--without-weights", "some/both") == [light]
        assert len(seen) == before  # from the cache, without asking
        (whole,) = download(endpoint, cache, "some/both")
    assert light["files"] == ["config.json", "preprocessor_config.json"]
    assert whole["files"] == ["config.json", "model.safetensors", "preprocessor_config.json"]


def test_without_a_network_the_message_says_what_to_do(in_hub_cache):
    with pytest.raises(
        UnreachableError,
        match=r"no folder here and not in the Hub cache, and cannot be downloaded.*use bundled:deit-nano",
    ):
        locate("facebook/deit-tiny-patch16-224")


def test_a_cached_checkpoint_is_used_without_a_network_and_its_commit_recorded(checkpoint, in_hub_cache, load):
    snapshot = in_hub_cache("someone/tiny", checkpoint("vit"))
    source = load("someone/tiny").source
    assert (source["kind"], source["commit"], source["path"]) == ("hub", snapshot.name, str(snapshot))
    assert source["weights_sha256"] is None


def test_revisions_are_told_apart(checkpoint, in_hub_cache):
    folder = checkpoint("vit")
    main = in_hub_cache("someone/tiny", folder)
    other = in_hub_cache("someone/tiny", folder, revision="v2", commit="b" * 40)
    assert cached_snapshot("someone/tiny") == main
    assert cached_snapshot("someone/tiny", "v2") == other
    assert cached_snapshot("someone/tiny", "b" * 40) == other
    assert cached_snapshot("someone/tiny", "v3") is None


@pytest.mark.parametrize("missing", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_half_a_download_does_not_count_as_cached(checkpoint, in_hub_cache, missing):
    snapshot = in_hub_cache("someone/tiny", checkpoint("vit"))
    (snapshot / missing).unlink()
    assert cached_snapshot("someone/tiny") is None


def test_a_missing_shard_does_not_count_as_cached(checkpoint, in_hub_cache):
    snapshot = in_hub_cache("someone/tiny", checkpoint("vit"))
    (snapshot / "model.safetensors").rename(snapshot / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert cached_snapshot("someone/tiny") is None
    (snapshot / "model-00002-of-00002.safetensors").write_text("")
    assert cached_snapshot("someone/tiny") == snapshot
