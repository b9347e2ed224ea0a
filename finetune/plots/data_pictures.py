"""Pictures of data before anything is trained: how many images of each class, and some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finetune.data.columns import targets
from finetune.data.images import decode
from finetune.errors import DataError
from finetune.plots.drawing import Drawing, Tile, grouped_bars, image_grid

if TYPE_CHECKING:
    from finetune.data import Splits


def class_counts(splits: Splits) -> Drawing:
    """How many images of each class each split has."""
    counts: dict[str, list[float | None]] = {}
    for name, dataset in splits.datasets.items():
        truth = targets(dataset)
        columns = range(len(splits.labels))
        counts[str(name)] = [float(((truth[:, i] if truth.ndim == 2 else truth == i) == 1).sum()) for i in columns]
    return grouped_bars(splits.labels.names, counts, xlabel="images")


def sample_images(splits: Splits, n: int = 8, split: str = "train") -> Drawing:
    """``n`` images of a split with their labels, spread over the classes."""
    if split not in splits.datasets:
        raise DataError(f"there is no split {split!r}; there are {', '.join(map(str, splits.datasets))}")
    dataset, truth = splits.datasets[split], targets(splits.datasets[split])
    order = sorted(range(len(dataset)), key=lambda i: truth[i].tolist())
    return image_grid([_labelled(dataset, truth, splits, i) for i in spread(order, n)])


def _labelled(dataset: Any, truth: Any, splits: Splits, index: int) -> Tile:
    ids = [int(truth[index])] if truth.ndim == 1 else [i for i, value in enumerate(truth[index]) if value == 1]
    return Tile(decode(dataset[index]["image"]), ", ".join(splits.labels.name(i) for i in ids) or "none")


def spread(items: list[Any], n: int) -> list[Any]:
    """At most ``n`` of the items, evenly spaced.

    >>> spread([0, 1, 2, 3, 4, 5], 3)
    [0, 2, 4]
    """
    n = min(n, len(items))
    return [items[i * len(items) // n] for i in range(n)]
