"""Presets spelled out, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from finetune.recipe.words import number


def preset_table(section: str, presets: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each key of a section, a column for each preset.

    Args:
        section: The recipe's section that the keys belong to.
        presets: By name, and for each the value of every key, in one order; text stands as it is.

    >>> print(preset_table("optim", {"auto": {"epochs": "by the images"}, "deit": {"epochs": 300.0}}), end="")
    | optim. | auto | deit |
    |---|---|---|
    | `epochs` | by the images | 300.0 |
    """
    rows = [_row(f"{section}.", *presets), "|---" * (len(presets) + 1) + "|"]
    for key in next(iter(presets.values())):
        rows.append(_row(f"`{key}`", *(_written(values[key]) for values in presets.values())))
    return "\n".join(rows) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _written(value: Any) -> str:
    """As a recipe says it; numbers to four digits after the point, and to four that count.

    >>> _written(5 / 300), _written((0.75, 4 / 3)), _written(1e-3), _written(True), _written("sgd")
    ('0.01667', '[0.75, 1.3333]', '1e-3', 'true', 'sgd')
    """
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, float) and value:
        return number(round(value, max(4, 3 - math.floor(math.log10(abs(value))))))
    return str(value).lower() if isinstance(value, bool) else str(value)
