"""``data.kind: formula`` to rows: images that are drawn when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finetune.data.formula.names import FormulaName
from finetune.data.rows import Rows

if TYPE_CHECKING:
    from finetune.recipe.sections import FormulaData


def read_formula(data: FormulaData) -> Rows:
    """One row for each instance of each class; nothing is drawn."""
    rows = Rows(classes=tuple(class_name(data.family, number) for number in range(data.classes)))
    for number, name in enumerate(rows.classes or ()):
        labels = (name,)
        for instance in range(data.instances):
            text = FormulaName(data.family, data.seed, data.image_size_px, number, instance).text
            rows.paths.append(text)
            rows.names.append(text)
            rows.labels.append(labels)
    return rows


def class_name(family: str, number: int) -> str:
    """What a class is called.

    >>> class_name("fractals", 12)
    'fractals 0012'
    """
    return f"{family} {number:04}"
