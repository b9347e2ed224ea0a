"""Findings about images that resemble each other: the same bytes, near duplicates, contradicting labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from finetune.data.rows import Rows
from finetune.data.sight.near import near_pairs
from finetune.data.sight.seen import Seen, SeenImage, Viewed, counted

OF_ALL_IMAGES = ("same-bytes", "contradicting-labels")  # kinds that every run finds whatever its splits
Pair = Sequence[int]


def same_bytes(viewed: Viewed, contents: Sequence[bytes]) -> list[Seen]:
    """Images of the same bytes, and those of them whose labels contradict each other; free, as the bytes were read."""
    members: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, content in enumerate(contents):
        members[content].append(row)
    groups = [rows for rows in members.values() if len(rows) > 1]
    apart = [rows for rows in groups if len({viewed.assigned[row] for row in rows}) > 1]
    together = [rows for rows in groups if len({viewed.assigned[row] for row in rows}) == 1]
    contrary = [rows for rows in groups if any(viewed.rows.contradict(rows[0], row) for row in rows[1:])]
    kinds = {
        "same-bytes-in-two-splits": (apart, "the same bytes in two splits"),
        "same-bytes": (together, "the same bytes"),
        "contradicting-labels": (contrary, "the same bytes with other labels"),
    }
    return [Seen(kind, says, _images(viewed, rows)) for kind, (rows, says) in kinds.items() if rows]


def near_copies(viewed: Viewed, contents: Sequence[bytes], glances: np.ndarray) -> list[Seen]:
    """Images that are nearly the same without having the same bytes: in two splits, in one, with other labels.

    Those of one group (``data.group_column``) are expected to resemble each other and are left out, unless their labels
    contradict each other.
    """
    pairs = near_pairs(glances)
    pairs = pairs[_differ(contents, pairs)]
    groups = _linked(pairs)
    spanning = [group for group in groups if len({viewed.assigned[row] for row in group}) > 1]
    spanned = {row for group in spanning for row in group}
    apart = pairs[_differ(viewed.assigned, pairs)].tolist()
    together = [pair for pair in pairs.tolist() if pair[0] not in spanned and not _grouped(viewed.rows, *pair)]
    contrary = [pair for pair in pairs[_differ(viewed.rows.labels, pairs)].tolist() if viewed.rows.contradict(*pair)]
    found = []
    if spanning:
        says = _leak(viewed, _training_first(viewed, apart[0]), spanned)
        found.append(Seen("near-duplicates-in-two-splits", says, _images(viewed, spanning)))
    if together:
        groups = _linked(together)
        found.append(Seen("near-duplicates", _repeats(viewed, together[0], groups), _images(viewed, groups)))
    if contrary:
        groups = _linked(contrary)
        found.append(Seen("contradicting-labels-near", _contrary(viewed, contrary[0], groups), _images(viewed, groups)))
    return found


def _differ(values: Sequence[Hashable], pairs: np.ndarray) -> np.ndarray:
    """(pairs,) whether the two rows of a pair have different values."""
    numbers: dict[Hashable, int] = {}
    of = np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
    different: np.ndarray = of[pairs[:, 0]] != of[pairs[:, 1]]
    return different


def _grouped(rows: Rows, one: int, other: int) -> bool:
    return bool(rows.groups and rows.groups[one] and rows.groups[one] == rows.groups[other])


def _linked(pairs: Sequence[Pair] | np.ndarray) -> list[list[int]]:
    """Rows of pairs, gathered where they share a row, or another row that does so."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, places = np.unique(np.asarray(pairs, dtype=np.int64), return_inverse=True)
    one, other = places.reshape(-1, 2).T
    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(len(rows), len(rows)))
    count, of = connected_components(links, directed=False)
    groups: list[list[int]] = [[] for _ in range(count)]
    for row, group in zip(rows.tolist(), of.tolist(), strict=True):
        groups[group].append(row)
    return groups


def _images(viewed: Viewed, groups: Iterable[Sequence[int]]) -> tuple[tuple[SeenImage, ...], ...]:
    return tuple(tuple(viewed.image(row) for row in rows) for rows in groups)


def _leak(viewed: Viewed, example: Pair, rows: Iterable[int]) -> str:
    one, other = example
    held_out = sum(viewed.assigned[row] != "train" for row in rows)
    cure = "remove one of each pair"
    if viewed.rows.splits is None or {viewed.rows.splits[row] for row in example} <= {None, "train"}:
        cure += ", or give both one value of data.group_column (in a table), so that a cut keeps them together"
    return (
        f"{counted(held_out, 'held-out image is', 'held-out images are')} nearly the same as an image of another "
        f"split, first: {viewed.where(one, split=True)} and {viewed.where(other, split=True)}; what is measured on "
        f"such images is not what the model does on new ones; {cure}"
    )


def _repeats(viewed: Viewed, example: Pair, groups: Sequence[Sequence[int]]) -> str:
    one, other = example
    more = sum(len(group) - 1 for group in groups)
    return (
        f"{counted(more, 'image is', 'images are')} nearly the same as another of the same split, first: "
        f"{viewed.where(other)} and {viewed.where(one)}; they count twice, and another cut may part them"
    )


def _contrary(viewed: Viewed, example: Pair, groups: Sequence[Sequence[int]]) -> str:
    one, other = example
    return (
        f"{sum(map(len, groups)):,} images are nearly the same but for the labels, first: "
        f"{viewed.where(one, labels=True)} and {viewed.where(other, labels=True)}; is one of the labels wrong?"
    )


def _training_first(viewed: Viewed, pair: Pair) -> Pair:
    one, other = pair
    return (other, one) if viewed.assigned[other] == "train" else pair
