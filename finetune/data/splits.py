"""Which image is in which split: as given, cut by fraction, or cut into folds."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from finetune.data.row_faults import RowFaults
from finetune.data.rows import Rows, SplitName
from finetune.data.stratify import Unit, stratify, stratify_evenly
from finetune.errors import DataError

if TYPE_CHECKING:
    from finetune.recipe.sections import Split


def assign_splits(rows: Rows, split: Split, contents: Sequence[bytes]) -> list[SplitName]:
    """The split of every row: the given one; where the data brings no validation or test split, it is cut.

    A split is cut from the rows that are given to no other, as a fraction of those, stratified by class. Rows of one
    group and rows of the same content stay together. With folds, one fold is the test split, and validation is a
    fraction of the others; the fold that is held out changes nothing about the folds.

    Args:
        rows: Whose names decide who goes where, together with the seed.
        split: Fractions or folds, and seed.
        contents: A digest of each image's bytes.
    Raises:
        DataError: given splits part a group, or stand beside folds; a held-out split that was asked for cannot be cut;
            there are more folds than a class has images that may be parted.
    """
    given = rows.splits or [None] * len(rows)
    _refuse_parted_groups(rows)
    if split.folds is not None:
        _refuse_given_beside_folds(given)
    result: list[SplitName] = [name or "train" for name in given]
    shares = _shares(split, set(given))
    if split.folds is None and len(shares) == 1:
        return result
    cut = _Cut.of(rows, [row for row, name in enumerate(result) if name == "train"], contents, split.seed)
    if split.folds is not None:
        held_out, cut = cut.without_fold(split.folds, split.fold or 1)
        for row in held_out:
            result[row] = "test"
    for row, name in cut.by_share(shares):
        result[row] = name
    return result


@dataclass(frozen=True)
class _Cut:
    """Rows that are to be divided: what stays together, and the same as units to stratify."""

    together: list[list[int]]
    units: list[Unit]
    classes: list[str]

    @classmethod
    def of(cls, rows: Rows, free: Sequence[int], contents: Sequence[bytes], seed: int) -> _Cut:
        together = gathered(free, contents, rows.groups or ())
        classes = sorted({name for row in free for name in rows.labels[row]})
        ids = {name: i for i, name in enumerate(classes)}
        return cls(together, [_unit(rows, members, ids, seed) for members in together], classes)

    def by_share(self, shares: dict[SplitName, Fraction]) -> Iterator[tuple[int, SplitName]]:
        """Each row and its split."""
        names = list(shares)
        chosen = stratify(self.units, list(shares.values()), len(self.classes))
        for name in names[1:] if self.units else ():
            if names.index(name) not in chosen:
                images = sum(unit.size for unit in self.units)
                raise DataError(_cannot_cut(name, shares[name], images, len(self.units), len(self.classes)))
        for members, position in zip(self.together, chosen, strict=True):
            yield from ((row, names[position]) for row in members)

    def without_fold(self, folds: int, fold: int) -> tuple[list[int], _Cut]:
        """The rows of a fold, counted from 1, and the others."""
        self._refuse_too_many(folds)
        chosen = stratify_evenly(self.units, folds, len(self.classes))
        held_out = [row for members, of in zip(self.together, chosen, strict=True) if of == fold - 1 for row in members]
        kept = [place for place, of in enumerate(chosen) if of != fold - 1]
        rest = _Cut([self.together[place] for place in kept], [self.units[place] for place in kept], self.classes)
        return held_out, rest

    def _refuse_too_many(self, folds: int) -> None:
        counts = Counter(label for unit in self.units for label, _ in unit.labels)
        smallest = min(range(len(self.classes)), key=lambda label: (counts[label], label), default=None)
        most = len(self.units) if smallest is None else counts[smallest]
        if most >= folds:
            return
        whose = "there are" if smallest is None else f"class {self.classes[smallest]!r} has"
        cure = f"ask for at most {most} folds" if most > 1 else "it can be in one fold only"
        raise DataError(
            f"data.split.folds: found {folds}, but {whose} only {most} image{'s' * (most != 1)} that may be parted "
            f"(groups and equal images stay together); {cure}, or add images of it"
        )


def _refuse_given_beside_folds(given: Sequence[SplitName | None]) -> None:
    counts = Counter(name for name in given if name in ("validation", "test"))
    if counts:
        found = " and ".join(f"a {name} split of {count} images" for name, count in sorted(counts.items()))
        raise DataError(
            f"data.split.folds: the data bring {found}, but with folds every image is held out once; drop the given "
            "split (data.split_column: null, data.splits: {train: train}, or a data.root without validation and test "
            "folders), or leave folds out"
        )


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


def gathered(rows: Iterable[int], *columns: Sequence[bytes | str]) -> list[list[int]]:
    """Rows that must not be parted, gathered: those that share a value, or another row that does so.

    Args:
        columns: Groups or contents, one value per row; an empty value is shared with nobody, an empty column by nobody.

    >>> gathered(range(5), [b"x", b"y", b"x", b"z", b""], ["", "", "1", "1", ""])
    [[0, 2, 3], [1], [4]]
    """
    parent = {row: row for row in rows}

    def top(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for column in columns:
        first: dict[bytes | str, int] = {}
        for row in parent if column else ():
            if column[row]:
                parent[top(row)] = top(first.setdefault(column[row], row))
    members: defaultdict[int, list[int]] = defaultdict(list)
    for row in parent:
        members[top(row)].append(row)
    return list(members.values())


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
