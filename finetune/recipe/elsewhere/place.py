"""Where a setting of another tool went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The keys that do a setting's work, and what there is to know; without keys, why there are none."""

    keys: tuple[str, ...]
    note: str


def place(row: str) -> Place:
    """Read ``"key key | note"``.

    >>> place("optim.epochs optim.max_steps | either")
    Place(keys=('optim.epochs', 'optim.max_steps'), note='either')
    """
    keys, _, note = row.partition("|")
    return Place(tuple(keys.split()), note.strip())


def table(rows: dict[str, str]) -> dict[str, Place]:
    """Read a row per name."""
    return {name: place(row) for name, row in rows.items()}
