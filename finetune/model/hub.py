"""Checkpoints on the Hub: what is in its cache is used without asking the network, the rest is fetched once."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

from finetune.errors import CheckpointError, FinetuneError, UnreachableError

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
# The newer format first. A repository may hold both, and variants beside them that nobody asked for.
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
SHARD = re.compile(r"^(model|pytorch_model)-\d+-of-\d+\.(safetensors|bin)$")
TIMEOUT_S = 10
STAND_IN = {"model.checkpoint": "give a local folder, or use bundled:deit-nano"}


def cached_snapshot(name: str, revision: str | None = None, *, weights: bool = True) -> Path | None:
    """The folder of a complete copy in the Hub cache, or None.

    Complete means config, weights with all their shards, and a preprocessor file where the cache does not
    know that there is none.

    Args:
        weights: Whether they are needed.
    """
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, CONFIG, revision=revision)
    preprocessor = try_to_load_from_cache(name, PREPROCESSOR, revision=revision)
    if not isinstance(config, str) or preprocessor is None:
        return None
    folder = Path(config).parent
    return folder if not weights or _has_weights(folder) else None


def download_snapshot(
    name: str, revision: str | None = None, key: str = "model.checkpoint", *, weights: bool = True
) -> Path:
    """Fetch config, preprocessor and weights into the Hub cache.

    Args:
        key: The recipe's key that names it, for messages.
        weights: Whether they are needed; they are what takes time.
    Raises:
        CheckpointError: the Hub has no such name or revision, does not let us have it, or it has no weights.
        UnreachableError: the Hub cannot be reached.
    """
    from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download

    at = f"{key}: {name}" + (f" at revision {revision}" if revision else "")
    try:
        info = HfApi().model_info(name, revision=revision, timeout=TIMEOUT_S)
        files = [sibling.rfilename for sibling in info.siblings or []]
        if PREPROCESSOR not in files:  # asking for it leaves a mark in the cache that there is none
            with contextlib.suppress(errors.EntryNotFoundError):
                hf_hub_download(name, PREPROCESSOR, revision=revision)
        wanted = _wanted(at, files)
        patterns = wanted if weights else [CONFIG, PREPROCESSOR]
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except errors.GatedRepoError as error:
        raise CheckpointError(f"{at} asks you to accept its terms first: open its page, then log in here") from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"{at} is neither a folder here nor a checkpoint on the Hub that you may see; is the name right?"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(f"{at}: the Hub has no such revision; see its branches, tags and commits") from error
    except FinetuneError:
        raise
    except Exception as error:  # the Hub's client changes its HTTP library, and with it what it raises
        raise UnreachableError(
            f"{at} is no folder here and not in the Hub cache, and cannot be downloaded ({type(error).__name__}); "
            f"connect to the network, {STAND_IN.get(key, 'or give a local folder')}"
        ) from error


def _wanted(at: str, files: list[str]) -> list[str]:
    weights = next((weights for weights in WEIGHTS if weights in files), None)
    if CONFIG not in files or weights is None:
        missing = CONFIG if CONFIG not in files else "weights (model.safetensors or pytorch_model.bin)"
        raise CheckpointError(f"{at} has no {missing}, so transformers cannot load it; choose another checkpoint")
    stem = weights.split(".")[0]
    shards = [file for file in files if SHARD.match(file) and file.startswith(f"{stem}-")]
    return [CONFIG, PREPROCESSOR, weights, *(shards if weights.endswith(".index.json") else [])]


def _has_weights(folder: Path) -> bool:
    found = next((folder / weights for weights in WEIGHTS if (folder / weights).is_file()), None)
    if found is None or not found.name.endswith(".index.json"):
        return found is not None
    shards = set(json.loads(found.read_text(encoding="utf-8"))["weight_map"].values())
    return all((folder / shard).is_file() for shard in shards)
