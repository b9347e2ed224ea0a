"""Where a checkpoint is: the folder that a recipe's ``model.checkpoint`` means."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finetune.errors import CheckpointError
from finetune.model.nano import bundled_checkpoint

WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class Source:
    """A checkpoint that is on this machine.

    Args:
        checkpoint: As the recipe names it.
        kind: ``run`` is a run folder, whose model is meant.
        folder: With config.json, weights and preprocessor file.
        revision: As the recipe asks for, Hub only.
        commit: What that was, Hub only.
    """

    checkpoint: str
    kind: Literal["bundled", "folder", "run", "hub"]
    folder: Path
    revision: str | None = None
    commit: str | None = None

    def record(self) -> dict[str, object]:
        """For record.json. Weights from the Hub are identified by the commit, all others by their digest."""
        digests = None if self.kind == "hub" else weight_digests(self.folder)
        return {
            "checkpoint": self.checkpoint,
            "kind": self.kind,
            "path": str(self.folder.resolve()),
            "revision": self.revision,
            "commit": self.commit,
            "weights_sha256": digests,
        }


def locate(
    checkpoint: str, revision: str | None = None, *, key: str = "model.checkpoint", weights: bool = True
) -> Source:
    """Find a checkpoint; one on the Hub is downloaded where it is not in the Hub cache.

    Args:
        key: The recipe's key that names it, for messages.
        weights: Whether a folder from the Hub must hold them; without, it is there at once.
    Raises:
        CheckpointError: there is nothing of that name.
        UnreachableError: it would have to be downloaded and cannot.
    """
    if checkpoint.startswith("bundled:"):
        return Source(checkpoint, "bundled", bundled_checkpoint(checkpoint.removeprefix("bundled:")))
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        if (folder / "model" / "config.json").is_file() and not (folder / "config.json").is_file():
            return Source(checkpoint, "run", folder / "model")
        return Source(checkpoint, "folder", folder)
    if folder.is_file():
        raise CheckpointError(f"{key}: {checkpoint} is a file; name the folder that it is in")
    if not is_hub_name(checkpoint):
        raise CheckpointError(
            f"{key}: there is no folder {checkpoint} (looked for {folder.resolve()}), and it is no name on "
            "the Hub; give a folder, a run folder, bundled:deit-nano or owner/name"
        )
    from finetune.model.hub import cached_snapshot, download_snapshot

    snapshot = cached_snapshot(checkpoint, revision, weights=weights) or download_snapshot(
        checkpoint, revision, key, weights=weights
    )
    return Source(checkpoint, "hub", snapshot, revision, snapshot.name)


def is_hub_name(checkpoint: str) -> bool:
    """Whether this can be ``name`` or ``owner/name`` on the Hub, as opposed to a path.

    >>> [is_hub_name(name) for name in ("facebook/deit-tiny-patch16-224", "./runs/x", "/tmp/x", "a/b/c", "runs/x/")]
    [True, False, False, False, False]
    """
    parts = checkpoint.split("/")
    return len(parts) <= 2 and all(part and part[0].isalnum() for part in parts) and "\\" not in checkpoint


def weight_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each weight file, by file name."""
    digests = {}
    for pattern in WEIGHTS:
        for path in sorted(folder.glob(pattern)):
            with path.open("rb") as file:
                digest = hashlib.sha256()
                while block := file.read(1 << 20):
                    digest.update(block)
            digests[path.name] = digest.hexdigest()
    return digests
