"""``task`` and ``data``."""

from __future__ import annotations

from finetune.recipe.checks.found import Checks, Found


def _labels_per_image(task: str, kind: str) -> Found:
    if task == "multilabel" and kind == "folder":
        yield (
            "task",
            "found multilabel with data.kind folder, but a folder gives an image one label; "
            "write task: multiclass, or a table with data.kind csv or jsonl",
        )


CHECKS: Checks = {
    _labels_per_image: ("task", "data.kind"),
}
