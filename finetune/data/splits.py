"""Which image is in which split: as given, or cut by fraction."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from finetune.data.row_faults import RowFaults
from finetune.data.rows import Rows, SplitName
from finetune.data.stratify import Unit, stratify
from finetune.errors import DataError

if TYPE_CHECKING:
    from finetune.recipe.sections import Split


def assign_splits(rows: Rows, split: Split, contents: Sequence[bytes]) -> list[SplitName]:
    """The split of every row: the given one; where the data brings no validation or test split, it is cut.

    A split is cut from the rows that are given to no other, as a fraction of those, stratified by class. Rows of one
    group and rows of the same content stay together.

    Args:
        rows: Whose names decide who goes where, together with the seed.
        split: Fractions and seed.
        contents: A digest of each image's bytes.
    Raises:
        DataError: given splits part a group, or a held-out split that was asked for cannot be cut.
    """
    given = rows.splits or [None] * len(rows)
    _refuse_parted_groups(rows)
    result: list[SplitName] = [name or "train" for name in given]
    shares = _shares(split, set(given))
    free = [row for row, name in enumerate(result) if name == "train"]
    if not free or len(shares) == 1:
        return result
    together = _together(rows, free, contents)
    classes = {name: i for i, name in enumerate(sorted({name for row in free for name in rows.labels[row]}))}
    units = [_unit(rows, members, classes, split.seed) for members in together]
    chosen = stratify(units, list(shares.values()), len(classes))
    names = list(shares)
    for members, position in zip(together, chosen, strict=True):
        for row in members:
            result[row] = names[position]
    for name in names[1:]:
        if name not in result:
            raise DataError(_cannot_cut(name, shares[name], len(free), len(units), len(classes)))
    return result


def _refuse_parted_groups(rows: Rows) -> None:
    if rows.groups is None or rows.splits is None:
        return
    faults = RowFaults()
    first: dict[str, int] = {}
    for row, group in enumerate(rows.groups):
        earlier = first.setdefault(group, row)
        here, there = rows.splits[row] or "train", rows.splits[earlier] or "train"
        if group and here != there:
            what = f"group {group!r} is in {here}, but in {there} at {rows.where(earlier)}"
            faults.add("group", f"{rows.where(row)}: {what}; data.group_column keeps a group in one split")
    faults.raise_any()


def _shares(split: Split, given: set[SplitName | None]) -> dict[SplitName, Fraction]:
    """Share of each split that is cut, train first. Decimal fractions are taken as they are written."""
    wanted: dict[SplitName, float] = {"validation": split.validation, "test": split.test}
    held_out = {name: Fraction(str(share)) for name, share in wanted.items() if share and name not in given}
    return {"train": 1 - sum(held_out.values(), Fraction(0)), **held_out}


def _together(rows: Rows, free: Sequence[int], contents: Sequence[bytes]) -> list[list[int]]:
    """Rows that share a group, a content, or another row that does so, gathered."""
    parent = {row: row for row in free}

    def top(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for keys in (contents, rows.groups or ()):
        first: dict[bytes | str, int] = {}
        for row in free if keys else ():
            if keys[row]:
                parent[top(row)] = top(first.setdefault(keys[row], row))
    gathered: defaultdict[int, list[int]] = defaultdict(list)
    for row in free:
        gathered[top(row)].append(row)
    return list(gathered.values())


def _unit(rows: Rows, members: Sequence[int], classes: dict[str, int], seed: int) -> Unit:
    counts: defaultdict[int, int] = defaultdict(int)
    for row in members:
        for name in rows.labels[row]:
            counts[classes[name]] += 1
    order = min(_order(seed, rows.names[row]) for row in members)
    return Unit(order, len(members), tuple(sorted(counts.items())))


def _order(seed: int, name: str) -> int:
    """A number that looks random and depends on nothing but the seed and the name."""
    return int.from_bytes(
        hashlib.blake2b(f"{seed}\0{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big"
    )


def _cannot_cut(name: str, share: Fraction, images: int, units: int, classes: int) -> str:
    return (
        f"data.split.{name}: {float(share):g} of {images} images ({units} that may be parted, {classes} classes)"
        f" cannot be held out, because training keeps one of every class; add images, or set data.split.{name}: 0"
    )
