"""One decoder for the whole project: whatever file an image comes in, what comes out is upright 8-bit RGB.

======================= =======================================================================
EXIF orientation        applied, all eight
grey, palette, 1-bit    converted to RGB
transparency            shown on white, also a palette's and a grey image's
16-bit grey             divided by 257, so that full white stays full white
floating point          [0, 1], else [0, 255], else [0, 65535], whichever holds all values
CMYK, YCbCr             converted by Pillow's formulas; colour profiles are not applied
animation, pages        the first frame
======================= =======================================================================

Only the formats of `FORMATS` are opened: Pillow knows others that start programs (PostScript) or hold no pictures.
The number of pixels is read from the header, and the scans of a JPEG are counted; both are limited before anything is
decompressed.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from finetune.data.formula import draw_named, is_formula, parse_name
from finetune.data.jpeg import MAX_SCANS, scans
from finetune.errors import DataError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA", "PCX", "ICO")
MAX_PIXELS = 89_478_485  # Pillow's own limit: a 24 kB PNG can claim more
FaultKind = Literal["missing", "not an image", "truncated", "too many pixels", "too many scans", "cannot be read"]
Source = str | Path | bytes | Mapping[str, Any] | Image.Image

_SIGNATURES = {
    b"\xff\xd8\xff": "a JPEG",
    b"\x89PNG": "a PNG",
    b"GIF8": "a GIF",
    b"RIFF": "a WebP",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
}
_JPEGS = ("JPEG", "MPO")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(DataError):
    """An image cannot be decoded; `kind` says in what way, `detail` what was found."""

    def __init__(self, message: str, kind: FaultKind = "cannot be read", detail: str = "") -> None:
        super().__init__(message)
        self.kind, self.detail = kind, detail


class Header(NamedTuple):
    """What is known of an image without its pixels; width and height in pixels as the image is shown."""

    width: int
    height: int
    mode: str
    format: str


def decode(source: Source, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image, upright, mode RGB, without metadata (so that nobody turns it twice).

    Args:
        source: A path, an image file's bytes, a row ``{"bytes": …, "path": …}`` of a data set, or a Pillow image.
        max_pixels: Width times height above which an image is refused before it is decompressed.
    Raises:
        ImageError: there is no such file, it is no image, it is cut short, or it is too large: in pixels or, as a JPEG,
            in scans.

    >>> decode(Image.new("LA", (2, 1), (0, 0))).getpixel((0, 0))  # black, but fully transparent
    (255, 255, 255)
    """
    with _opened(source, max_pixels) as image:
        _refuse_many_scans(image, source)
        image.load()
        return _upright_rgb(image)


def verify(source: Source, max_pixels: int = MAX_PIXELS) -> Header:
    """Check that an image decodes to its last byte, as cheaply as that can be known.

    A JPEG is read whole but reconstructed at an eighth of its size, which still notices a cut of two bytes.

    Raises:
        ImageError: as `decode`.
    """
    with _opened(source, max_pixels) as image:
        _refuse_many_scans(image, source)
        return _loaded(image, 1)


def verify_and_show(source: Source, side_px: int, max_pixels: int = MAX_PIXELS) -> tuple[Header, Image.Image]:
    """As `verify`, and the picture as `decode` gives it, though a JPEG's may be smaller: one decoding for both.

    Args:
        side_px: A JPEG is reconstructed at a half, a quarter or an eighth of its size as long as its shorter side
            keeps so many pixels.
    Raises:
        ImageError: as `decode`.
    """
    with _opened(source, max_pixels) as image:
        _refuse_many_scans(image, source)
        return _loaded(image, side_px), _upright_rgb(image)


def _loaded(image: Image.Image, side_px: int) -> Header:
    """The header of an image whose pixels were loaded, a JPEG's at a scale that keeps `side_px` where one does."""
    size, mode, format_ = image.size, image.mode, image.format or "in memory"
    if format_ in _JPEGS:
        side_px = max(1, min(side_px, min(size)))
        image.draft(None, (side_px, side_px))
        image.load()
    else:
        image.load()
        size = image.size
        _eight_bits(image)
    width, height = reversed(size) if _orientation(image) >= 5 else size
    return Header(width, height, mode, format_)


def pixel_count(source: Source) -> int:
    """Width times height from the header alone.

    Raises:
        ImageError: the header cannot be read.
    """
    if (name := _formula(source)) is not None:
        return parse_name(name).size_px ** 2
    with _opened(source, MAX_PIXELS) as image:
        return image.width * image.height


def _refuse_many_scans(image: Image.Image, source: Source) -> None:
    file = getattr(image, "fp", None)  # none in memory, where the pixels are decoded already
    if image.format not in _JPEGS or file is None:
        return
    place = file.tell()
    file.seek(0)
    found = scans(file.read())
    file.seek(place)
    if found > MAX_SCANS:
        detail = f"a JPEG of {found} scans; the limit is {MAX_SCANS}"
        raise ImageError(f"{_name(source)}: too many scans ({detail})", "too many scans", detail)


@contextmanager
def _opened(source: Source, max_pixels: int) -> Iterator[Image.Image]:
    """Open a source and turn whatever goes wrong with it, here or in the body, into an `ImageError`."""
    try:
        with _image(source) as image:
            if image.width * image.height > max_pixels:
                raise Image.DecompressionBombError(f"{image.width}×{image.height}")
            yield image
    except (MemoryError, ImageError):
        raise
    except Exception as error:  # a broken file makes Pillow raise almost anything
        kind, detail = _diagnose(error, source, max_pixels)
        raise ImageError(f"{_name(source)}: {kind} ({detail})", kind, detail) from error


def _image(source: Source) -> AbstractContextManager[Image.Image]:
    if isinstance(source, Image.Image):
        return nullcontext(source)  # not ours to close
    if (name := _formula(source)) is not None:
        return nullcontext(draw_named([name])[0])
    return Image.open(_file(source), formats=_formats())


def _formula(source: Source) -> str | None:
    """The name of an image that is drawn and not read."""
    path = source.get("path") if isinstance(source, Mapping) else source
    return path if is_formula(path) else None


@functools.cache
def _formats() -> list[str]:
    """Those of `FORMATS` that this build of Pillow can open."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _file(source: str | Path | bytes | Mapping[str, Any]) -> str | Path | io.BytesIO:
    """What Pillow can open: a path, from which it reads no more than it needs, or bytes in memory."""
    content = source
    if isinstance(source, Mapping):
        content = source["path"] if source.get("bytes") is None else source["bytes"]
    if isinstance(content, (str, Path)):
        _refuse_special(content)
        return content
    if isinstance(content, bytes):
        return io.BytesIO(content)
    raise TypeError(f"expected a path or bytes, found {type(content).__name__}")


def _refuse_special(path: str | Path) -> None:
    """Reading a pipe would wait for ever."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder is refused where it is opened
        raise OSError(errno.EINVAL, "it is no regular file")


def _name(source: Source) -> str:
    if isinstance(source, Mapping):
        source = source.get("path") or b""
    if isinstance(source, (str, Path)):
        return str(source)
    return getattr(source, "filename", "") or "image"


def _diagnose(error: Exception, source: Source, max_pixels: int) -> tuple[FaultKind, str]:
    text = str(error) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return "missing", "there is no such file"
    if isinstance(error, OSError) and error.errno is not None:
        return "cannot be read", "it is a folder" if isinstance(error, IsADirectoryError) else str(error.strerror)
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return "too many pixels", f"{text}; the limit is {max_pixels:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(_head(source))
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "truncated", text
    return "cannot be read", f"{type(error).__name__}: {text}"


def _unidentified(head: bytes) -> tuple[FaultKind, str]:
    """What a file that Pillow takes for no image is, by its first bytes."""
    if not head:
        return "not an image", "the file is empty"
    for start, name in _SIGNATURES.items():
        if head.startswith(start):
            return "truncated", f"it begins as {name} does, but its header is incomplete or damaged"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "not an image", "HEIC, which is not supported; convert it to JPEG"
    return "not an image", f"it begins with {head!r}"


def _head(source: Source) -> bytes:
    if isinstance(source, Image.Image):
        return b""
    file = _file(source)
    if isinstance(file, io.BytesIO):
        return file.read(16)
    with open(file, "rb") as opened:
        return opened.read(16)


def _upright_rgb(image: Image.Image) -> Image.Image:
    rgb = _eight_bits(_turned_upright(image))
    rgb = _on_white(rgb) if rgb.has_transparency_data else rgb.convert("RGB")
    rgb.info = {}
    return rgb


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # metadata that cannot be read says nothing about the pixels
        return 1
    return value if value in _UPRIGHT else 1


def _turned_upright(image: Image.Image) -> Image.Image:
    orientation = _orientation(image)
    return image if orientation == 1 else image.transpose(_UPRIGHT[orientation])


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale modes of more than 8 bits per channel; Pillow's own conversion would cut them off at 255."""
    if image.mode == "F":
        return Image.fromarray(_from_float(np.asarray(image)))
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64)
        if values.size and not 0 <= values.min() <= values.max() <= 65535:
            raise ValueError(f"whole numbers from {values.min()} to {values.max()}, expected 0 to 65535")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    return image


def _from_float(values: np.ndarray) -> np.ndarray:
    """(height, width) floats to uint8 by the smallest customary range that holds them."""
    low, high = float(values.min()), float(values.max())
    for white in (1.0, 255.0, 65535.0):
        if low >= 0.0 and high <= white:
            return np.rint(values.astype(np.float64) * (255.0 / white)).astype(np.uint8)
    raise ValueError(f"floating-point values from {low:g} to {high:g}, expected within [0, 1], [0, 255] or [0, 65535]")


def _on_white(image: Image.Image) -> Image.Image:
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
