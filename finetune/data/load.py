"""A recipe's data section to splits: the only place that knows the order of the steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets

from finetune.data.columns import to_dataset
from finetune.data.findings import Findings
from finetune.data.folder import read_folder
from finetune.data.rows import SPLITS
from finetune.data.splits import assign_splits
from finetune.data.verify import BadImage, verify_images
from finetune.errors import DataError
from finetune.labels import LabelSpace
from finetune.recipe.sections import Recipe


@dataclass(frozen=True)
class Splits:
    """Data that is ready to train on.

    Attributes:
        datasets: Among train, validation and test, those that hold images.
        labels: The classes, in the order of the model's outputs.
        findings: What was found; ``check`` prints it.
        dropped: Images that were left out.
        source: Where the data came from, for the run's record.
    """

    datasets: datasets.DatasetDict
    labels: LabelSpace
    findings: Findings
    dropped: list[BadImage] = field(default_factory=list)
    source: dict[str, Any] = field(default_factory=dict)


def load_splits(recipe: Recipe) -> Splits:
    """Read, verify and split what the recipe's ``data`` names.

    Raises:
        DataError: the data are not what the recipe says.
    """
    root = _root(recipe)
    rows = read_folder(root)
    verified = verify_images(rows.paths)
    dropped = [BadImage(p, *v.fault) for p, v in zip(rows.paths, verified, strict=True) if v.fault]
    if dropped and recipe.data.on_bad_image == "fail":
        raise DataError(
            f"{len(dropped)} of {len(rows)} images cannot be read, first: {dropped[0].path}: {dropped[0].reason}"
        )
    kept = [i for i, v in enumerate(verified) if not v.fault]
    rows = rows.take(kept)
    assigned = assign_splits(rows, recipe.data.split, [verified[i].content for i in kept])
    labels = LabelSpace.sorted(n for i, names in enumerate(rows.labels) if assigned[i] == "train" for n in names)
    parts = {name: rows.take([i for i, split in enumerate(assigned) if split == name]) for name in SPLITS}
    tables = {name: to_dataset(part, labels, recipe.task == "multilabel") for name, part in parts.items() if len(part)}
    return Splits(
        datasets=datasets.DatasetDict(tables),
        labels=labels,
        findings=Findings(notes=rows.notes),
        dropped=dropped,
        source={"kind": recipe.data.kind, "root": str(root), "counts": {n: len(t) for n, t in tables.items()}},
    )


def _root(recipe: Recipe) -> Path:
    named: str = recipe.data.root  # type: ignore[union-attr]
    if named.startswith("bundled:"):
        from finetune.data.bundled import bundled_root

        return bundled_root(named.removeprefix("bundled:"))
    root = Path(named).expanduser().absolute()
    if not root.is_dir():
        raise DataError(f"data.root: there is no folder {root}")
    return root
