"""What can be wrong with rows whatever adapter they came from: each check gives faults or notes in words."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence

from finetune.data.row_faults import RowFaults
from finetune.data.rows import SPLITS, Rows, SplitName
from finetune.data.verify import BadImage, Verified
from finetune.errors import did_you_mean
from finetune.labels import LabelSpace

_FEW = 5  # training images of a class below which a note says so
_HARDLY = 10  # times as many has the median class as one that is hardly present


def one_label_each(rows: Rows) -> None:
    """Multi-class rows have exactly one label.

    Raises:
        DataError: rows that have none, or several.
    """
    faults = RowFaults()
    for row, names in enumerate(rows.labels):
        if not names:
            faults.add(
                "none", f"{rows.where(row)}: there is no label; task: multiclass needs exactly one for each image"
            )
        elif len(names) > 1:
            found = ", ".join(names)
            faults.add("several", f"{rows.where(row)}: {len(names)} labels ({found}); set task: multilabel")
    faults.raise_any()


def without_repeats(rows: Rows) -> Rows:
    """Rows that name an image a second time with the same labels are left out, with a note.

    Raises:
        DataError: an image is named twice with different labels or splits.
    """
    first: dict[str, int] = {}
    repeats: list[int] = []
    faults = RowFaults()
    for row, path in enumerate(rows.paths):
        earlier = first.setdefault(path, row)
        if earlier == row:
            continue
        repeats.append(row)
        if rows.labels[row] != rows.labels[earlier]:
            here, there = (" ".join(rows.labels[i]) or "no label" for i in (row, earlier))
            what = f"{rows.names[row]} has the label {here!r}, but {there!r} at {rows.where(earlier)}"
            faults.add("labels", f"{rows.where(row)}: {what}; give each image one row")
        elif rows.splits is not None and rows.splits[row] != rows.splits[earlier]:
            what = f"{rows.names[row]} is in {rows.splits[row]}, but in {rows.splits[earlier]} at {rows.where(earlier)}"
            faults.add("splits", f"{rows.where(row)}: {what}; an image belongs to one split")
    faults.raise_any()
    if not repeats:
        return rows
    kept = rows.take(sorted(first.values()))
    where = f"first {rows.where(repeats[0])}, which repeats {rows.where(first[rows.paths[repeats[0]]])}"
    kept.notes.append(f"{_rows(len(repeats))} an earlier row and are used once: {where}")
    return kept


def bad_images(rows: Rows, verified: Verified) -> list[BadImage]:
    """The images that cannot be read."""
    return [
        BadImage(rows.paths[row], kind, f"{kind} ({detail})") for row, (kind, detail) in sorted(verified.faults.items())
    ]


def cannot_be_read(rows: Rows, verified: Verified) -> str:
    """One sentence about all images that cannot be read, which says what to do."""
    first = min(verified.faults)
    kinds = Counter(kind for kind, _ in verified.faults.values())
    counts = ", ".join(f"{count} {_ARTICLES.get(kind, kind)}" for kind, count in sorted(kinds.items()))
    where = rows.where(first)
    named = rows.names[first] if where == rows.names[first] else f"{where}: {rows.names[first]}"
    if kinds == {"missing": len(rows)}:
        cure = "do the paths start from the folder that the recipe names?"
    else:
        cure = "data.on_bad_image: drop goes on without them and lists them in the run"
    total = f"{len(verified.faults)} of {len(rows)} images cannot be read"
    return f"{total} ({counts}), first: {named} ({verified.faults[first][1]}); {cure}"


_ARTICLES = {
    "too many pixels": "with too many pixels",
    "too many scans": "with too many scans",
    "cannot be read": "damaged or not readable",
}


def in_two_splits(rows: Rows, contents: Sequence[bytes]) -> list[tuple[int, int]]:
    """Pairs (row, row of another split) of the same bytes, each row that should go first: training rows, or of two
    held-out splits the validation row.
    """
    if rows.splits is None or len(set(rows.splits)) < 2:
        return []
    order = {name: position for position, name in enumerate((None, *SPLITS))}
    last: dict[bytes, int] = {}
    rank = [max(order[name], 1) for name in rows.splits]
    for row, content in enumerate(contents):
        if content not in last or rank[row] > rank[last[content]]:
            last[content] = row
    return [(row, last[content]) for row, content in enumerate(contents) if rank[row] < rank[last[content]]]


def leak(rows: Rows, pairs: Sequence[tuple[int, int]]) -> str:
    """One sentence about images that two splits share."""
    one, other = pairs[0]
    count = "1 image is" if len(pairs) == 1 else f"{len(pairs)} images are"
    return (
        f"{count} in two splits (the same bytes), first: {rows.where(one)} ({_split(rows, one)}) and"
        f" {rows.where(other)} ({_split(rows, other)}); what is measured on them is not what the model does on new"
        " images; remove one of each pair, or data.on_bad_image: drop goes on without those of the earlier split"
    )


def _split(rows: Rows, row: int) -> str:
    return (rows.splits[row] if rows.splits else None) or "train"


def strangers(rows: Rows, assigned: Sequence[SplitName], labels: LabelSpace) -> list[str]:
    """Classes of validation and test images that training lacks, one sentence per class and split."""
    first: dict[tuple[str, str], int] = {}
    counts: Counter[tuple[str, str]] = Counter()
    unknown_to_training = {name for names in set(rows.labels) for name in names if name not in labels}
    if not unknown_to_training:
        return []
    for row, names in enumerate(rows.labels):
        for name in names:
            if name in unknown_to_training and assigned[row] != "train":
                first.setdefault((assigned[row], name), row)
                counts[assigned[row], name] += 1
    return [
        f"{rows.where(row)}: class {name!r} is not among the {len(labels)} classes of the training split"
        f"{did_you_mean(name, labels.names)}"
        + (f" ({counts[split, name]} images of it in {split})" * (counts[split, name] > 1))
        for (split, name), row in first.items()
    ]


def duplicates(rows: Rows, contents: Sequence[bytes]) -> list[str]:
    """Notes on images of the same bytes, and on those among them whose labels differ."""
    first: dict[bytes, int] = {}
    same: list[tuple[int, int]] = []
    for row, content in enumerate(contents):
        earlier = first.setdefault(content, row)
        if earlier != row:
            same.append((earlier, row))
    notes = []
    if same:
        shown = f"{rows.where(same[0][1])} and {rows.where(same[0][0])}"
        together = "; a cut keeps them together" if rows.splits is None else ""
        notes.append(f"{_images(len(same))} the same bytes as another image, first: {shown}{together}")
    contrary = [(one, other) for one, other in same if rows.contradict(one, other)]
    if contrary:
        one, other = contrary[0]
        shown = " and ".join(f"{rows.where(row)} ({' '.join(rows.labels[row]) or 'no label'})" for row in (one, other))
        notes.append(f"{_images(len(contrary))} the same bytes as one with other labels, first: {shown}")
    return notes


def counted(rows: Rows, assigned: Sequence[SplitName]) -> dict[SplitName, Counter[str]]:
    """Images per split and class."""
    counts: defaultdict[SplitName, Counter[str]] = defaultdict(Counter)
    pairs = Counter(zip(assigned, rows.labels, strict=True))
    for (split, names), count in pairs.items():
        for name in names:
            counts[split][name] += count
    return {split: counts[split] for split in SPLITS if split in set(assigned)}


def thin_classes(counts: dict[SplitName, Counter[str]], labels: Sequence[str]) -> list[str]:
    """Notes on classes that a split lacks, and on those of which training has only a few images."""
    notes = []
    for split, found in counts.items():
        lacking = [name for name in labels if not found[name]]
        if lacking:
            notes.append(f"{split} has no image of {_listed(lacking)}")
    few, hardly = few_images(counts, labels), hardly_any(counts, labels)
    if few:
        which = "this class" if len(few) == 1 else "these classes"
        named = _listed(_with_counts(few, counts))
        notes.append(f"fewer than {_FEW} training images of {named}: too few to learn or to measure {which} well")
    if hardly:
        named = _listed(_with_counts(hardly, counts))
        notes.append(
            f"the median class has {_median(counts, labels):g} training images, but there are hardly any of {named}; "
            "data.sampling: balanced shows them as often as the others"
        )
    return notes


def few_images(counts: dict[SplitName, Counter[str]], labels: Sequence[str]) -> list[str]:
    """Classes of which training has so few images that they can hardly be learned, but any."""
    return [name for name in labels if 0 < counts["train"][name] < _FEW]


def hardly_any(counts: dict[SplitName, Counter[str]], labels: Sequence[str]) -> list[str]:
    """Other classes of which training has less than a tenth of what the median class has."""
    least = _median(counts, labels) / _HARDLY
    return [name for name in labels if _FEW <= counts["train"][name] < least]


def _median(counts: dict[SplitName, Counter[str]], labels: Sequence[str]) -> float:
    return statistics.median(found) if (found := [counts["train"][name] for name in labels]) else 0.0


def _with_counts(names: Sequence[str], counts: dict[SplitName, Counter[str]]) -> list[str]:
    return [f"{name} ({counts['train'][name]})" for name in names]


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    count = f"{len(names)} classes: " if len(names) > 1 else ""
    return count + ", ".join(names[:most]) + more


def _images(count: int) -> str:
    return "1 image has" if count == 1 else f"{count} images have"


def _rows(count: int) -> str:
    return "1 row repeats" if count == 1 else f"{count} rows repeat"
