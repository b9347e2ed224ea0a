"""A contact sheet for each finding of ``check``, and the findings as JSON beside them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from finetune.data.findings import Findings
from finetune.data.images import ImageError, verify_and_show
from finetune.data.rows import Rows
from finetune.data.sight.seen import Seen, SeenImage
from finetune.errors import DataError

KINDS = (
    "same-bytes-in-two-splits",
    "near-duplicates-in-two-splits",
    "contradicting-labels",
    "contradicting-labels-near",
    "same-bytes",
    "near-duplicates",
    "plain",
    "dark",
    "light",
    "blurred",
    "grey",
    "small",
    "long",
    "odd",
    "rare-classes",
)
"""Every kind of finding that can be shown; a test holds it."""

_COLUMNS, _TILE_PX, _GAP_PX, _LINE_PX, _CAPTION_LINES = 6, 160, 10, 15, 4
_MOST = 60  # images on a sheet
INK, PAPER, QUIET, LINE = "#1b1f24", "#ffffff", "#6b7580", "#d5dae0"


def write_sheets(findings: Findings, rows: Rows, folder: Path) -> list[Path]:
    """Write ``KIND.png`` for each finding and ``findings.json``, instead of those that an earlier call wrote there.

    Args:
        findings: Of these rows.
        rows: The rows whose images are read.
        folder: Made where it is missing.
    Returns:
        The sheets.
    Raises:
        DataError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in _kinds_before(folder / "findings.json"):
            (folder / f"{kind}.png").unlink(missing_ok=True)
        (folder / "findings.json").write_text(json.dumps(findings.as_dict(), indent=1) + "\n", encoding="utf-8")
        return [_written(seen, rows, folder) for seen in findings.seen]
    except OSError as error:
        raise DataError(f"--out {folder}: cannot be written ({error.strerror}); name a folder") from error


def _kinds_before(file: Path) -> list[str]:
    """The kinds of which an earlier call wrote a sheet; other pictures in the folder are not ours to remove."""
    try:
        kinds = {seen["kind"] for seen in json.loads(file.read_text(encoding="utf-8"))["seen"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []
    return [kind for kind in KINDS if kind in kinds]


def _written(seen: Seen, rows: Rows, folder: Path) -> Path:
    path = folder / f"{seen.kind}.png"
    sheet(seen, rows).save(path, format="PNG")
    return path


def sheet(seen: Seen, rows: Rows) -> Image.Image:
    """The sentence, and the first images under it: those that belong together side by side, from a new line on."""
    lines, left_out = _lines(seen)
    columns = max(map(len, lines), default=1)
    width_px = _GAP_PX + max(4, columns) * (_TILE_PX + _GAP_PX)
    title = textwrap.wrap(seen.says, width_px // 7)
    head_px = (len(title) + 1) * _LINE_PX + _GAP_PX
    caption_lines = _CAPTION_LINES if any(image.says for image in seen.images) else 2
    line_px = _TILE_PX + caption_lines * _LINE_PX + 2 * _GAP_PX
    height_px = head_px + len(lines) * line_px + (2 * _LINE_PX if left_out else 0)
    picture = Image.new("RGB", (width_px, height_px), PAPER)
    for number, text in enumerate(title):
        _write(picture, text, (_GAP_PX, _GAP_PX + number * _LINE_PX), width_px - 2 * _GAP_PX, INK)
    for number, line in enumerate(lines):
        top = head_px + number * line_px
        ImageDraw.Draw(picture).line([(_GAP_PX, top), (width_px - _GAP_PX, top)], fill=LINE)
        for column, image in enumerate(line):
            place = _GAP_PX + column * (_TILE_PX + _GAP_PX), top + _GAP_PX
            _draw(picture, image, rows, place)
    if left_out:
        place = _GAP_PX, picture.height - 2 * _LINE_PX
        _write(picture, f"… and {left_out:,} more images, which findings.json names", place, width_px, QUIET)
    return picture


def _lines(seen: Seen) -> tuple[list[list[SeenImage]], int]:
    """Lines of at most so many images, and how many images are on none of them."""
    together = [group for group in seen.groups if len(group) > 1]
    alone = [image for group in seen.groups if len(group) == 1 for image in group]
    lines = [
        list(group[start : start + _COLUMNS])
        for group in [*together, alone]
        for start in range(0, len(group), _COLUMNS)
    ]
    shown: list[list[SeenImage]] = []
    for line in lines:
        if sum(map(len, shown)) + len(line) > _MOST:
            break
        shown.append(line)
    return shown, len(seen.images) - sum(map(len, shown))


def _draw(sheet: Image.Image, image: SeenImage, rows: Rows, place: tuple[int, int]) -> None:
    left, top = place
    tile = _tile(rows, image.row)
    sheet.paste(tile, (left + (_TILE_PX - tile.width) // 2, top + (_TILE_PX - tile.height) // 2))
    ImageDraw.Draw(sheet).rectangle((left - 1, top - 1, left + _TILE_PX, top + _TILE_PX), outline=LINE)
    caption = [(image.name, INK), (" · ".join((image.split, ", ".join(image.labels) or "no label")), INK)]
    caption += [(text, QUIET) for text in textwrap.wrap(image.says, 26)[: _CAPTION_LINES - 2]]
    for line, (text, colour) in enumerate(caption):
        _write(sheet, text, (left, top + _TILE_PX + 3 + line * _LINE_PX), _TILE_PX, colour, keep_end=line == 0)


def _tile(rows: Rows, row: int) -> Image.Image:
    """The image within the tile's size, small ones enlarged by a whole number; empty if it can no longer be read."""
    try:
        _, picture = verify_and_show(rows.read(row), _TILE_PX)
    except (ImageError, OSError):
        return Image.new("RGB", (1, 1), PAPER)
    scale = _TILE_PX / max(picture.size)
    if scale >= 2:
        return picture.resize([side * int(scale) for side in picture.size], Image.Resampling.NEAREST)
    size = [max(1, round(side * min(scale, 1))) for side in picture.size]
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _write(
    sheet: Image.Image, text: str, place: tuple[int, int], width_px: int, colour: str, keep_end: bool = False
) -> None:
    """Shortened to the width; of a path the end says most."""
    text = text.replace("×", "x")  # Pillow's own font lacks it
    font = ImageFont.load_default(_LINE_PX - 3)
    while font.getlength(text) > width_px and len(text) > 2:
        text = "…" + text[2:] if keep_end else text[:-2] + "…"
    ImageDraw.Draw(sheet).text(place, text, fill=colour, font=font)
