"""Whatever a user has in hand as images, as one list of things that can be decoded."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from PIL import Image

from finetune.data.images import decode
from finetune.errors import DataError

if TYPE_CHECKING:
    import datasets

OneImage: TypeAlias = str | Path | bytes | Image.Image | np.ndarray
ManyImages: TypeAlias = Union[OneImage, Iterable[OneImage], "datasets.Dataset"]


class Sources:
    """Images that are decoded when they are asked for.

    Args:
        images: A path, a Pillow image, the bytes of an image file, a uint8 array (height, width[, 3 or 4]), a
            list of any of these, a (images, height, width, 3) array, or a split of a data set with a column
            ``image``.
    Raises:
        DataError: it is none of these; for an image that cannot be decoded, when it is asked for.
    """

    def __init__(self, images: ManyImages) -> None:
        self._images = _listed(images)
        self._one_at_a_time = threading.Lock()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> Image.Image:
        source = self._images[index]
        # A Pillow image may be in the list twice and still unread; two threads must not read one file at once.
        guard = self._one_at_a_time if isinstance(source, Image.Image) else nullcontext()
        try:
            with guard:
                return decode(_decodable(source))
        except DataError as error:
            if self.path(index) is not None:
                raise
            raise DataError(f"image {index + 1} of {len(self)}: {error}") from error

    def path(self, index: int) -> str | None:
        """Where an image came from, or None."""
        source = self._images[index]
        if isinstance(source, Mapping):
            source = source.get("path")
        elif isinstance(source, Image.Image):
            source = getattr(source, "filename", None)
        return str(source) if isinstance(source, (str, Path)) and str(source) else None


class _Column(Sequence[Any]):
    """The images of a data set, row by row, with the path that the row itself gives them."""

    def __init__(self, dataset: datasets.Dataset) -> None:
        if "image" not in dataset.column_names:
            raise DataError(f"the data set has no column 'image'; it has {', '.join(dataset.column_names)}")
        wanted = [name for name in ("image", "path") if name in dataset.column_names]
        self._rows = dataset.select_columns(wanted).with_format(None)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        row = self._rows[index]
        image, path = row["image"], row.get("path")
        return {**image, "path": path} if isinstance(image, Mapping) and path and image.get("bytes") else image


def _listed(images: ManyImages) -> Sequence[Any]:
    if isinstance(images, Mapping):
        raise DataError(
            f"several splits are given ({', '.join(map(str, images))}); name one of them, as in data['test']"
        )
    if hasattr(images, "column_names"):
        return _Column(images)
    if isinstance(images, (str, Path, bytes, bytearray, Image.Image)):
        return [images]
    if isinstance(images, np.ndarray):
        return list(images) if images.ndim == 4 else [images]
    if isinstance(images, Iterable):
        return list(images)
    raise DataError(f"images are given as {type(images).__name__}; expected {_EXPECTED}")


def _decodable(source: Any) -> Any:
    """What `decode` takes, or an error that says what was given."""
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, (bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, (str, Path)) and Path(source).is_dir():
        raise DataError(f"{source}: is a folder; pass its files, as in sorted(Path({str(source)!r}).glob('*.jpg'))")
    if not isinstance(source, (str, Path, bytes, Image.Image, Mapping)):
        raise DataError(f"an image is given as {type(source).__name__}; expected {_EXPECTED}")
    return source


def _from_array(array: np.ndarray) -> Image.Image:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or 0 in array.shape:
        raise DataError(
            f"an array of shape {array.shape} and type {array.dtype} is no image; "
            "expected uint8 of shape (height, width), (height, width, 3) or (height, width, 4)"
        )
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and channels == 1 else array)


_EXPECTED = "a path, a Pillow image, bytes, a uint8 array, a list of these, or a split of a data set"
