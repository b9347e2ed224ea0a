"""Rows to `datasets.Dataset` and back to targets."""

from __future__ import annotations

import datasets
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from finetune.data.rows import Rows
from finetune.labels import LabelSpace


def to_dataset(rows: Rows, labels: LabelSpace, multilabel: bool) -> datasets.Dataset:
    """Columns ``image`` (still encoded), ``path``, and ``label``, or ``labels`` and ``unknown`` (ClassLabel)."""
    described = _described(labels, multilabel)
    columns = {"path": pa.array(rows.paths, pa.string())}
    if multilabel:
        columns["labels"] = _id_lists(rows.labels, labels)
        columns["unknown"] = _id_lists(rows.unknown or [()] * len(rows), labels)
    else:
        ids = labels.label2id
        columns["label"] = pa.array([ids[names[0]] for names in rows.labels], pa.int64())
    if rows.embedded is not None and rows.embedded_at is not None:
        return _beside(rows.embedded, rows.embedded_at, columns, described)
    images = pa.StructArray.from_arrays([pa.nulls(len(rows), pa.binary()), columns["path"]], ["bytes", "path"])
    return _dataset({"image": images, **columns}, described)


def _described(labels: LabelSpace, multilabel: bool) -> datasets.Features:
    one = datasets.ClassLabel(names=list(labels.names))
    targets_ = {"labels": datasets.List(one), "unknown": datasets.List(one)} if multilabel else {"label": one}
    return datasets.Features({"image": datasets.Image(decode=False), "path": datasets.Value("string"), **targets_})


def _dataset(columns: dict[str, pa.Array], described: datasets.Features) -> datasets.Dataset:
    table = pa.table(columns).cast(described.arrow_schema)
    return datasets.Dataset(datasets.table.InMemoryTable(table), info=datasets.DatasetInfo(features=described))


def _beside(
    images: datasets.Dataset, at: list[int], columns: dict[str, pa.Array], described: datasets.Features
) -> datasets.Dataset:
    """Columns beside images that stay in their files: they are spread over all images before some are selected,
    because adding columns to a selection would copy it."""
    slots = np.full(len(images), -1, dtype=np.int64)
    slots[at] = np.arange(len(at))
    spread = {name: column.take(pa.array(slots, mask=slots < 0)) for name, column in columns.items()}
    others = datasets.Features({name: described[name] for name in columns})
    return datasets.concatenate_datasets([images, _dataset(spread, others)], axis=1).select(at)


def targets(dataset: datasets.Dataset) -> np.ndarray:
    """What is to be predicted, as numbers.

    Returns:
        multiclass: (images,) int64 class ids; multilabel: (images, classes) int8, 1 present, 0 absent, -1 unknown.
    """
    if "label" in dataset.column_names:
        return np.asarray(_arrow(dataset, "label").to_numpy(zero_copy_only=False), dtype=np.int64)
    classes = len(dataset.features["labels"].feature.names)
    matrix = np.zeros((len(dataset), classes), dtype=np.int8)
    for column, value in (("labels", 1), ("unknown", -1)):
        lists = _arrow(dataset, column)
        rows = np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))
        matrix[rows, lists.flatten().to_numpy()] = value
    return matrix


def _arrow(dataset: datasets.Dataset, column: str) -> pa.Array:
    chunked = dataset.select_columns([column]).with_format("arrow")[:].column(0)
    return chunked.combine_chunks() if chunked.num_chunks else pa.array([], chunked.type)


def _image_column(rows: Rows) -> pa.Array:
    paths = pa.array(rows.paths, pa.string())
    return pa.StructArray.from_arrays([pa.nulls(len(rows), pa.binary()), paths], ["bytes", "path"])


def _id_lists(names: list[tuple[str, ...]], labels: LabelSpace) -> pa.Array:
    ids = labels.label2id
    offsets = np.cumsum([0, *map(len, names)], dtype=np.int64)
    flat = [ids[name] for group in names for name in group]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat, pa.int64()))
