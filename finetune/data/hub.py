"""Any dataset that ``datasets.load_dataset`` reads, from the Hub or local (imagefolder, parquet, arrow, webdataset).

Images that are files are read from where they lie; images within a dataset's own files stay there, encoded. Their
names, by which splits are cut, are the split and the row number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import datasets
import pyarrow.compute as pc  # type: ignore[import-untyped]

from finetune.data.row_faults import RowFaults
from finetune.data.rows import SPLIT_WORDS, SPLITS, LabelSets, Rows, SplitName, stable_name
from finetune.errors import DataError, UnreachableError, did_you_mean

if TYPE_CHECKING:
    from finetune.recipe.sections import HubData


def read_hub(data: HubData) -> Rows:
    """The rows of a dataset.

    Raises:
        UnreachableError: the Hub does not answer.
        DataError: there is no such dataset, split or column, or labels are not what can be a class.
    """
    parts = _by_split(data, _load(data))
    rows = Rows(splits=[] if len(parts) > 1 else None, groups=[] if data.group_column else None)
    faults = RowFaults()
    images = []
    for split, part in parts.items():
        _require_columns(data, part)
        images.append(_image_column(data, part))
        _add_part(rows, data, split, part, faults)
    faults.raise_any()
    _note_unused_classes(rows, [part.features[data.label_column] for part in parts.values()])
    _place_images(rows, data.name, datasets.concatenate_datasets(images))
    return rows


def _load(data: HubData) -> dict[str, datasets.Dataset]:
    """The splits of a dataset under the names it gives them."""
    wanted = None if data.splits is None else list(data.splits.values())
    try:
        found = datasets.load_dataset(
            data.name,
            data.config,
            revision=data.revision,
            data_dir=data.data_dir,
            data_files=data.data_files,
            split=wanted,
        )
    except ConnectionError as error:
        raise UnreachableError(f"data.name: {data.name!r} cannot be fetched from the Hub ({error})") from error
    except Exception as error:  # a builder raises whatever its files make it raise
        cure = "; name: arrow with data_files: FOLDER/*.arrow reads it" if "save_to_disk" in str(error) else ""
        what = f"datasets.load_dataset cannot read {data.name!r}"
        raise DataError(f"data: {what} ({type(error).__name__}: {error}){cure}") from error
    return dict(found) if wanted is None else dict(zip(wanted, found, strict=True))


def _by_split(data: HubData, found: dict[str, datasets.Dataset]) -> dict[SplitName, datasets.Dataset]:
    """Training first. Splits of other names than the usual ones are not guessed at."""
    names: dict[SplitName, str] = dict(data.splits or {})
    if not names:
        names = {SPLIT_WORDS[name.casefold()]: name for name in found if name.casefold() in SPLIT_WORDS}
    if "train" not in names:
        raise DataError(
            f"data.splits: {data.name!r} has the splits {', '.join(found)}; say which is for training, as in"
            f" splits: {{train: {next(iter(found), 'train')}}}"
        )
    return {split: found[names[split]] for split in SPLITS if split in names}


def _require_columns(data: HubData, part: datasets.Dataset) -> None:
    wanted = {"image_column": data.image_column, "label_column": data.label_column, "group_column": data.group_column}
    for key, name in wanted.items():
        if name is not None and name not in part.column_names:
            hint = did_you_mean(name, part.column_names)
            if data.name == "imagefolder" and key == "label_column":
                hint = "; imagefolder gives labels only where all class folders are equally deep, kind: folder always"
            found = ", ".join(part.column_names)
            raise DataError(f"data.{key}: {data.name!r} has no column {name!r}{hint}; columns found: {found}")


def _image_column(data: HubData, part: datasets.Dataset) -> datasets.Dataset:
    """The images alone, encoded, under the name ``image``."""
    kind = part.features[data.image_column]
    is_plain = isinstance(kind, datasets.Value) and kind.dtype in ("string", "large_string", "binary", "large_binary")
    if not isinstance(kind, datasets.Image) and not is_plain:
        raise DataError(f"data.image_column: {data.image_column!r} holds {kind}; expected images, paths or bytes")
    images = part.select_columns([data.image_column]).rename_columns({data.image_column: "image"})
    return images.cast_column("image", datasets.Image(decode=False))


def _add_part(rows: Rows, data: HubData, split: SplitName, part: datasets.Dataset, faults: RowFaults) -> None:
    first = len(rows.names)
    rows.names += [f"{split}/{number}" for number in range(len(part))]
    names = _class_names(part.features[data.label_column], data.label_column, rows.notes)
    shared = LabelSets()
    for row, value in enumerate(_values(part, data.label_column), first):
        labels = []
        for label in value if isinstance(value, list) else [value]:
            if label is None or (names is not None and not 0 <= label < len(names)):
                faults.add(
                    "label", f"{rows.names[row]}: the label is {'null' if label is None else label}; {_NO_CLASS}"
                )
            else:
                labels.append(names[label] if names is not None else str(label).strip())
        rows.labels.append(shared(labels))
    if rows.splits is not None:
        rows.splits += [split] * len(part)
    if rows.groups is not None:
        rows.groups += ["" if value is None else str(value) for value in _values(part, data.group_column or "")]


_NO_CLASS = "expected a class; name in data.splits only splits with labels"


def _class_names(kind: Any, column: str, notes: list[str]) -> Sequence[str] | None:
    """The names behind class ids; None where the values themselves are the names."""
    inner = kind.feature if isinstance(kind, datasets.List | datasets.LargeList) else kind
    if isinstance(inner, datasets.ClassLabel):
        return list(inner.names)
    dtype = getattr(inner, "dtype", "")
    if dtype.startswith(("int", "uint")):
        note = f"the column {column!r} holds whole numbers, which become the names of the classes"
        notes += [note] if note not in notes else []
    elif dtype not in ("string", "large_string"):
        raise DataError(f"data.label_column: {column!r} holds {kind}; expected class ids, text, or lists of them")
    return None


def _note_unused_classes(rows: Rows, kinds: Sequence[Any]) -> None:
    """Names that a ClassLabel declares and no image has do not become classes."""
    declared = {name for kind in kinds for name in getattr(getattr(kind, "feature", kind), "names", ())}
    unused = sorted(declared - {name for names in set(rows.labels) for name in names})
    if unused:
        count = f"{len(unused)} of {len(declared)} declared class names"
        rows.notes.append(f"{count} belong to no image and are left out, first: {unused[0]}")


def _values(part: datasets.Dataset, column: str) -> Iterator[Any]:
    for chunk in part.select_columns([column]).with_format("arrow")[:].column(0).chunks:
        yield from chunk.to_pylist()


def _place_images(rows: Rows, name: str, images: datasets.Dataset) -> None:
    """Images that are all files become paths; others stay in the dataset, under names."""
    column = images.with_format("arrow")[:].column(0)
    paths: list[str | None] = pc.struct_field(column, "path").to_pylist()
    embedded = pc.any(pc.is_valid(pc.struct_field(column, "bytes"))).as_py()
    if embedded or not all(paths):
        rows.paths = [f"{name}/{row}" for row in rows.names]
        rows.embedded, rows.embedded_at = images, list(range(len(images)))
        return
    rows.paths = [os.path.abspath(path) for path in paths if path]
    root = os.path.commonpath(rows.paths) if len(rows.paths) > 1 else os.path.dirname(rows.paths[0])
    rows.names = [stable_name(path.removeprefix(root + os.sep)) for path in rows.paths]
