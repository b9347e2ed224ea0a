"""A recipe's ``data`` section to splits: the only place that knows the order of the steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import datasets
import numpy as np

from finetune.data import checks
from finetune.data.columns import to_dataset
from finetune.data.findings import Findings, image_sizes
from finetune.data.fingerprint import fingerprint
from finetune.data.rows import SPLITS, Rows, SplitName
from finetune.data.sight import copies, unlike
from finetune.data.sight.glance import glances
from finetune.data.sight.seen import Seen, Viewed
from finetune.data.splits import assign_splits, gathered
from finetune.data.verify import BadImage, Verified, verify_rows
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
        contents: By split, a digest of each image's bytes.
        groups: By split, each image's value of ``data.group_column``; empty where none is asked for.
    """

    datasets: datasets.DatasetDict
    labels: LabelSpace
    findings: Findings
    dropped: list[BadImage]
    source: dict[str, Any]
    contents: dict[str, list[bytes]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)

    def together(self, split: str) -> np.ndarray:
        """(images,) int64: images of one number share a group or their bytes, and must not be parted."""
        contents, numbers = self.contents[split], np.empty(len(self.contents[split]), dtype=np.int64)
        for number, members in enumerate(gathered(range(len(contents)), contents, self.groups.get(split, ()))):
            numbers[members] = number
        return numbers


def load_splits(recipe: Recipe) -> Splits:
    """Read, verify and split what the recipe's ``data`` names.

    Raises:
        DataError: the data are not what the recipe says; all faults that were found.
        UnreachableError: the data have to be fetched and cannot be.
    """
    survey = _survey(recipe)
    if survey.findings.faults:
        raise DataError("\n".join(survey.findings.faults))
    parts = {name: survey.rows.take([i for i, split in enumerate(survey.assigned) if split == name]) for name in SPLITS}
    multilabel = recipe.task == "multilabel"
    tables = {name: to_dataset(part, survey.labels, multilabel) for name, part in parts.items() if len(part)}
    record = survey.origin | {
        "fingerprint": fingerprint(survey.rows, survey.assigned, survey.verified.contents),
        "counts": {name: len(table) for name, table in tables.items()},
    }
    contents: dict[str, list[bytes]] = {name: [] for name in tables}
    for name, content in zip(survey.assigned, survey.verified.contents, strict=True):
        contents[name].append(content)
    return Splits(
        datasets.DatasetDict(tables),
        survey.labels,
        survey.findings,
        survey.dropped,
        record,
        contents,
        {name: part.groups for name, part in parts.items() if part.groups},
    )


def load_held_out(recipe: Recipe, split: str | None = None, *, cut: bool = True) -> Splits:
    """One split of data that are only looked at: no training split is needed, and any classes may occur.

    Args:
        recipe: Its task and ``data`` section; ``data.on_bad_image`` is heeded.
        split: train, validation, test, or all for every image; None takes test, else validation, else all.
        cut: Cut splits as ``data.split`` says; otherwise only those are known that the data bring.
    Returns:
        The split under its name. The classes are those that the data declare, or all that occur in any split.
    Raises:
        DataError: an image cannot be read, or there is no such split.
        UnreachableError: the data have to be fetched and cannot be.
    """
    rows, origin = _read(recipe)
    if recipe.task == "multiclass":
        checks.one_label_each(rows)
    rows = checks.without_repeats(rows)
    rows, verified, dropped, faults = _readable(
        rows, verify_rows(rows, str(origin["root"])), recipe.data.on_bad_image == "drop"
    )
    if faults:
        raise DataError("\n".join(faults))
    labels = LabelSpace(rows.classes or tuple(sorted({name for names in rows.labels for name in names})))
    given = (
        _assigned(recipe, rows, verified, [])
        if cut
        else [name or "train" for name in rows.splits or [None] * len(rows)]
    )
    name = split or next((held for held in ("test", "validation") if held in given), "all")
    kept = [row for row, own in enumerate(given) if name in ("all", own)]
    if not kept:
        there = ", ".join(sorted(set(given)))
        raise DataError(f"{origin['root']}: has no {name} split, but {there}; name one of them, or all")
    rows, verified = rows.take(kept), verified.take(kept)
    table = to_dataset(rows, labels, recipe.task == "multilabel")
    digest = fingerprint(rows, [given[row] for row in kept], verified.contents)
    counts = {name: len(rows)}
    return Splits(
        datasets.DatasetDict({name: table}),
        labels,
        Findings(source=str(origin["root"]), images=counts, dropped=dropped, notes=rows.notes),
        dropped,
        origin | {"fingerprint": digest, "counts": counts},
        {name: list(verified.contents)},
        {name: rows.groups} if rows.groups else {},
    )


def check_data(recipe: Recipe) -> Findings:
    """What `load_splits` finds, faults included, instead of stopping at them, and what the images look like.

    Raises:
        DataError: so much is wrong that there is nothing to count.
        UnreachableError: the data have to be fetched and cannot be.
    """
    return look_over(recipe).findings


@dataclass(frozen=True)
class LookedOver:
    """Findings, and the rows that they speak of."""

    findings: Findings
    rows: Rows


def look_over(recipe: Recipe) -> LookedOver:
    """As `check_data`, with the rows, so that images can be shown.

    Raises:
        DataError, UnreachableError: as `check_data`.
    """
    survey = _survey(recipe, look=True)
    return LookedOver(survey.findings, survey.rows)


@dataclass
class _Survey:
    """All that is known of the data before datasets are made of it."""

    rows: Rows
    verified: Verified
    assigned: list[SplitName]
    labels: LabelSpace
    findings: Findings
    dropped: list[BadImage]
    origin: dict[str, Any]


def _survey(recipe: Recipe, look: bool = False) -> _Survey:
    rows, origin = _read(recipe)
    if recipe.task == "multiclass":
        checks.one_label_each(rows)
    rows = checks.without_repeats(rows)
    drops = recipe.data.on_bad_image == "drop"
    rows, verified, dropped, faults = _readable(rows, verify_rows(rows, str(origin["root"]), look), drops)
    rows, verified, leaked, leaks = _leak_free(rows, verified, drops)
    notes = checks.duplicates(rows, verified.contents)
    assigned = _assigned(recipe, rows, verified, faults + leaks)
    labels = _labels(rows, assigned)
    counts = checks.counted(rows, assigned)
    faults += leaks + checks.strangers(rows, assigned, labels)
    viewed = Viewed(rows, assigned)
    seen = _seen(viewed, verified) if look and recipe.data.kind != "formula" else []
    findings = Findings(
        source=str(origin["root"]),
        images={split: assigned.count(split) for split in counts},
        classes={split: {name: found[name] for name in labels.names} for split, found in counts.items()},
        unknown=Counter(name for names in rows.unknown or () for name in names),
        unlabelled=sum(not names for names in rows.labels),
        sizes=image_sizes(verified),
        looks=dict(Counter(verified.looks).most_common()),
        dropped=dropped + leaked,
        notes=[*rows.notes, *notes, *(it.says for it in seen), *checks.thin_classes(counts, labels.names)],
        faults=faults,
        seen=[*copies.same_bytes(viewed, verified.contents), *seen, *_rare(viewed, counts, labels)],
    )
    return _Survey(rows, verified, assigned, labels, findings, dropped + leaked, origin)


def _read(recipe: Recipe) -> tuple[Rows, dict[str, Any]]:
    """Rows, and where they came from."""
    data, multilabel = recipe.data, recipe.task == "multilabel"
    if data.kind == "hub":
        from finetune.data.hub import read_hub

        origin: dict[str, Any] = {"kind": "hub", "root": data.name, "config": data.config, "revision": data.revision}
        return read_hub(data), origin
    if data.kind == "formula":
        from finetune.data.formula import read_formula

        return read_formula(data), {"kind": "formula", "root": f"formula:{data.family}", "seed": data.seed}
    from finetune.data.csv_table import read_csv
    from finetune.data.folder import read_folder
    from finetune.data.jsonl import read_jsonl
    from finetune.data.roots import find_root

    root = find_root(data)
    origin = {"kind": data.kind, "root": str(root.path), "download": root.download}
    if data.kind == "folder":
        return read_folder(root.path), origin
    if data.kind == "csv":
        return read_csv(data, root.path, multilabel), origin
    return read_jsonl(data, root.path), origin


def _readable(rows: Rows, verified: Verified, drops: bool) -> tuple[Rows, Verified, list[BadImage], list[str]]:
    """The rows whose images can be read, and the others as dropped images or as a fault."""
    if not verified.faults:
        return rows, verified, [], []
    sentence = checks.cannot_be_read(rows, verified)
    kept = [row for row in range(len(rows)) if row not in verified.faults]
    if not kept:
        raise DataError(sentence)
    bad = checks.bad_images(rows, verified)
    return rows.take(kept), verified.take(kept), bad if drops else [], [] if drops else [sentence]


def _leak_free(rows: Rows, verified: Verified, drops: bool) -> tuple[Rows, Verified, list[BadImage], list[str]]:
    """Rows of which none is in two splits, the others as dropped images or as a fault."""
    pairs = checks.in_two_splits(rows, verified.contents)
    if not pairs:
        return rows, verified, [], []
    if not drops:
        return rows, verified, [], [checks.leak(rows, pairs)]
    left_out = {row for row, _ in pairs}
    bad = [BadImage(rows.paths[row], "in two splits", f"the same bytes as {rows.paths[other]}") for row, other in pairs]
    kept = [row for row in range(len(rows)) if row not in left_out]
    return rows.take(kept), verified.take(kept), bad, []


def _assigned(recipe: Recipe, rows: Rows, verified: Verified, faults: list[str]) -> list[SplitName]:
    """The split of every row; where none can be cut, faults that were found before are said with that."""
    try:
        return assign_splits(rows, recipe.data.split, verified.contents)
    except DataError as error:
        raise DataError("\n".join([*faults, str(error)])) from error


def _seen(viewed: Viewed, verified: Verified) -> list[Seen]:
    """What a glance at every image says."""
    looks = glances(verified.glances)
    return [
        *copies.near_copies(viewed, verified.contents, looks),
        *unlike.unlike_the_rest(viewed, looks, verified.widths, verified.heights),
    ]


def _rare(viewed: Viewed, counts: dict[SplitName, Counter[str]], labels: LabelSpace) -> list[Seen]:
    names = checks.few_images(counts, labels.names) + checks.hardly_any(counts, labels.names)
    return [unlike.hardly_present(viewed, names)] if names else []


def _labels(rows: Rows, assigned: Sequence[SplitName]) -> LabelSpace:
    """The classes that the data declares, else those of the training split."""
    if rows.classes is not None:
        return LabelSpace(rows.classes)
    found = {names for names, split in zip(rows.labels, assigned, strict=True) if split == "train"}
    if not any(found):
        raise DataError(
            f"{', '.join(rows.sources) or 'data'}: no training image has a label; there is nothing to learn"
        )
    return LabelSpace.sorted(name for names in found for name in names)
