"""Features of all splits as a file, for who wants to do something else with them than a head."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from accelerate import PartialState
from rich.console import Console

from finetune.data import Splits, load_splits, targets
from finetune.errors import DataError
from finetune.fallback import reach
from finetune.model import choose_task, load_with_new_head, set_attention
from finetune.recipe import Recipe
from finetune.training.feature_cache import Features, attention_of, features_of
from finetune.training.hardware import Hardware, choose_hardware
from finetune.training.processes import from_main, join_processes, main_first, wait_for_all

ROWS = 4096  # images in a row group, and in one read
COLUMNS = ("features", "features_distillation")
"""Of a model's first head and of its second."""


def write_features(recipe: Recipe, out: Path, *, fallback: bool = True, overwrite: bool = False) -> str:
    """Write what the recipe's checkpoint says of every image of every split; nothing is trained.

    ``.parquet`` has a row per image: ``split``, ``path``, ``label`` (multiclass) or ``labels`` and ``unknown`` (lists,
    multilabel), ``features`` (list of float32) and, of a distilled DeiT, ``features_distillation``. ``.npz`` has the
    arrays ``splits``, ``paths``, ``labels`` (class ids, or (images, classes) with 1 present, 0 absent, -1 unknown),
    ``classes`` (names), ``features`` (images, width) float32 and perhaps ``features_distillation``.

    The arithmetic is that of ``evaluate.precision``, as for a probe, and the features are kept in the cache.

    Args:
        out: The file; it gets its name when it is whole.
        fallback: Where checkpoint or data cannot be reached, apply the recipe's ``offline`` section.
        overwrite: Replace the file if it exists.
    Returns:
        A line for people: the file, its shape, the seconds.
    Raises:
        DataError: the file exists, its folder does not, or the suffix is neither.
    """
    _check(out, overwrite)
    hardware = choose_hardware(recipe)
    join_processes(hardware)
    reached = from_main(lambda: reach(recipe, strict=not fallback, parts=("checkpoint", "data")))
    if reached.notice:
        Console(stderr=True, highlight=False, quiet=not hardware.is_main).print(reached.notice, markup=False)
    began = time.perf_counter()
    with main_first():
        splits = load_splits(reached.recipe)
    features = _features(reached.recipe, splits, hardware)
    if hardware.is_main:
        _write(out, splits, features)
    wait_for_all()
    return _said(out, features, reached.recipe.evaluate.precision, time.perf_counter() - began)


def _check(out: Path, overwrite: bool) -> None:
    if out.suffix not in WRITERS:
        found = f"ends in {out.suffix!r}" if out.suffix else "has no suffix"
        raise DataError(f"--out {out}: {found}; expected a name that ends in .parquet or .npz")
    if not out.absolute().parent.is_dir():
        raise DataError(f"--out {out}: there is no folder {out.absolute().parent}; make it first")
    if out.exists() and not overwrite:
        raise DataError(f"--out {out}: exists already; choose another name, or write --overwrite")


def _features(recipe: Recipe, splits: Splits, hardware: Hardware) -> dict[str, Features]:
    with main_first():
        task = choose_task(recipe, splits.labels, targets(splits.datasets["train"]))
        loaded = load_with_new_head(recipe, splits.labels, task)
    set_attention(loaded.model, attention_of(recipe))
    device = PartialState().device
    loaded.model.to(device)
    size = recipe.evaluate.batch_size or (16 if device.type == "cpu" else 64)
    return {
        str(name): features_of(
            loaded,
            images,
            splits.contents[str(name)],
            hardware,
            batch_size=size,
            device=device,
            precision=recipe.evaluate.precision,
        )
        for name, images in splits.datasets.items()
    }


def _write(out: Path, splits: Splits, features: dict[str, Features]) -> None:
    part = out.with_name(f".{out.name}.part")
    try:
        WRITERS[out.suffix](part, splits, features)
        os.replace(part, out)
    except OSError as error:
        raise DataError(f"--out {out}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)


def _said(out: Path, features: dict[str, Features], precision: str, seconds: float) -> str:
    images = sum(len(next(iter(split.heads.values()))) for split in features.values())
    widths = [array.shape[1] for array in next(iter(features.values())).heads.values()]
    shape = " and ".join(f"{images} x {width}" for width in widths)
    found = ", all found in the cache" if all(split.cached for split in features.values()) else ""
    return f"{out}: features {shape} ({precision}) in {seconds:.1f} s{found}"


# ---------------------------------------------------------------- Parquet


def _write_parquet(file: Path, splits: Splits, features: dict[str, Features]) -> None:
    """A row group for each few thousand images."""
    writer: Any = None
    try:
        for table in _tables(splits, features):
            writer = writer or pq.ParquetWriter(file, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _tables(splits: Splits, features: dict[str, Features]) -> Iterator[Any]:
    for name, images in splits.datasets.items():
        truth, heads = targets(images), features[str(name)].heads.values()
        for start in range(0, len(images), ROWS):
            stop = min(start + ROWS, len(images))
            yield pa.table(
                {
                    "split": pa.array([str(name)] * (stop - start), pa.string()),
                    "path": pa.array(images[start:stop]["path"], pa.string()),
                    **_label_columns(truth[start:stop], splits),
                    **{column: _lists(array[start:stop]) for column, array in zip(COLUMNS, heads, strict=False)},
                }
            )


def _label_columns(truth: np.ndarray, splits: Splits) -> dict[str, Any]:
    names = splits.labels.names
    if truth.ndim == 1:
        return {"label": pa.array([names[i] for i in truth], pa.string())}
    return {
        column: pa.array([[names[i] for i in np.flatnonzero(row == value)] for row in truth], pa.list_(pa.string()))
        for column, value in (("labels", 1), ("unknown", -1))
    }


def _lists(block: np.ndarray) -> Any:
    offsets = np.arange(0, block.size + 1, block.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, np.array(block).ravel())


# ---------------------------------------------------------------- npz


def _write_npz(file: Path, splits: Splits, features: dict[str, Features]) -> None:
    """`numpy.savez` would hold the features of all splits in memory to write them."""
    tables = splits.datasets
    names = [str(name) for name, images in tables.items() for _ in range(len(images))]
    small = {
        "splits": np.array(names),
        "paths": np.array([path for images in tables.values() for path in images["path"]]),
        "labels": np.concatenate([targets(images) for images in tables.values()]),
        "classes": np.array(splits.labels.names),
    }
    heads = [list(features[str(name)].heads.values()) for name in tables]
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in small.items():
            _write_array(archive, name, [array])
        for column, parts in zip(COLUMNS, zip(*heads, strict=True), strict=False):
            _write_array(archive, column, parts)


def _write_array(archive: zipfile.ZipFile, name: str, parts: Any) -> None:
    """One array of several that follow one another."""
    shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
    described = {"descr": np.lib.format.dtype_to_descr(parts[0].dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        np.lib.format.write_array_header_1_0(stream, described)
        for part in parts:
            for start in range(0, len(part), ROWS):
                stream.write(np.ascontiguousarray(part[start : start + ROWS]).tobytes())


WRITERS = {".parquet": _write_parquet, ".npz": _write_npz}
