"""One number for what was trained on: it changes with any image, label or split, and with nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from finetune.data.rows import Rows, SplitName


def fingerprint(rows: Rows, assigned: Sequence[SplitName], contents: Sequence[bytes]) -> str:
    """sha256 over name, content, labels and split of every image, whatever the order and wherever they lie."""
    lines = sorted(
        json.dumps([name, content.hex(), labels, split])
        for name, content, labels, split in zip(rows.names, contents, rows.labels, assigned, strict=True)
    )
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
