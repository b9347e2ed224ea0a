"""Does every image decode, and what does it look like? Asked once per file, in threads, and remembered in the cache
folder."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import PIL
from tqdm import tqdm  # type: ignore[import-untyped]

from finetune.cache import cache_dir
from finetune.data.formula import is_formula, parse_name
from finetune.data.images import MAX_PIXELS, ImageError, verify, verify_and_show
from finetune.data.jpeg import MAX_SCANS
from finetune.data.rows import Rows
from finetune.data.sight.glance import SIDE_PX, VERSION, glance

_PIECE = 64  # rows per task of a thread: a task for each of a million rows would cost more than the rows
_DEPENDS_ON = {
    "format": 2,
    "pillow": PIL.__version__,
    "max_pixels": MAX_PIXELS,
    "max_scans": MAX_SCANS,
    "glance": VERSION,
}
_LOG = logging.getLogger(__name__)

Finding = tuple[str, int, int, str] | tuple[str, str, str]
"""Of one image: (content, width, height, "JPEG RGB"), or (content, kind of fault, detail); content in hexadecimal."""


@dataclass(frozen=True)
class BadImage:
    """An image that is left out or stops the run: its path, a word for what is wrong, and the whole reason."""

    path: str
    kind: str
    reason: str


@dataclass
class Verified:
    """What is known of each image, in columns.

    Attributes:
        contents: Digest of each image's bytes; empty where there are none.
        widths, heights: Pixels, as the image is shown; 0 for a fault.
        looks: File format and colour mode, such as ``JPEG RGB``; empty for a fault.
        glances: What each image looks like, as `finetune.data.sight.glance` has it; empty where nobody looked.
        faults: By row: kind and detail.
    """

    contents: list[bytes] = field(default_factory=list)
    widths: array[int] = field(default_factory=lambda: array("l"))
    heights: array[int] = field(default_factory=lambda: array("l"))
    looks: list[str] = field(default_factory=list)
    glances: list[bytes] = field(default_factory=list)
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, finding: Finding, glance: bytes = b"") -> None:
        """Append what was found and seen of the next row."""
        if len(finding) == 3:
            self.faults[len(self.contents)] = finding[1:]
            finding = (finding[0], 0, 0, "")
        self.contents.append(bytes.fromhex(finding[0]))
        self.widths.append(finding[1])
        self.heights.append(finding[2])
        self.looks.append(finding[3])
        self.glances.append(glance)

    def take(self, kept: Sequence[int]) -> Verified:
        """The rows of these numbers, which have no fault."""
        return Verified(
            [self.contents[i] for i in kept],
            array("l", (self.widths[i] for i in kept)),
            array("l", (self.heights[i] for i in kept)),
            [self.looks[i] for i in kept],
            [self.glances[i] for i in kept],
        )


def verify_rows(rows: Rows, place: str, look: bool = False) -> Verified:
    """Verify the image of every row.

    Args:
        rows: Any rows.
        place: Names what is remembered: the root of the data.
        look: Also take a glance at each image that is a file. It costs no second decoding, but a larger first one.
    """
    verified = Verified()
    pieces = [range(start, min(start + _PIECE, len(rows))) for start in range(0, len(rows), _PIECE)]
    bar = tqdm(total=len(rows), desc="verifying images", unit="img", delay=2, disable=None, leave=False)
    with _Memory(place) as memory, bar, ThreadPoolExecutor(min(16, _cores() + 1)) as threads:
        for answers in threads.map(lambda piece: [memory.ask(rows, row, look) for row in piece], pieces):
            for answer in answers:
                verified.add(answer.finding, base64.b64decode(answer.glance) if look else b"")
                memory.note(answer)
            bar.update(len(answers))
    return verified


class _Answer(NamedTuple):
    path: str
    finding: Finding
    glance: str
    """In base64; empty for a fault, or where nobody looked."""
    line: str
    """What will be remembered; empty for a file that is not there."""
    new: bool


class _Memory:
    """Findings by path and stamp, in a file per place: JSON lines, the first of which says what they depend on.

    Processes that verify at the same time write files of their own; the last one stays. What was found before an
    interruption is kept.
    """

    def __init__(self, place: str) -> None:
        key = hashlib.blake2b(place.encode(errors="surrogateescape"), digest_size=12).hexdigest()
        self._file = cache_dir("verified") / f"{key}.jsonl"
        self._before = dict(self._load())
        self._now: dict[str, str] = {}
        self._any_new = False

    def ask(self, rows: Rows, row: int, look: bool) -> _Answer:
        """What was found of a row, now or earlier. Called from threads; it changes nothing."""
        path = rows.paths[row]
        if is_formula(path):
            return _Answer(path, _drawn(path), "", "", False)
        try:
            stamp = rows.stamp(row)
            line = self._before.get(path, "")
            if line:
                _, known, seen, *finding = json.loads(line)
                is_fault = len(finding) == 3
                if known == stamp and (seen or is_fault or not look):
                    return _Answer(path, tuple(finding), seen, line, False)
            found, seen = _examine(rows.read(row), look)
            return _Answer(path, found, seen, json.dumps([path, stamp, seen, *found]) + "\n", True)
        except (FileNotFoundError, ValueError):  # ValueError: a path with a zero character
            return _Answer(path, ("", "missing", "there is no such file"), "", "", False)
        except OSError as error:
            return _Answer(path, ("", "cannot be read", str(error.strerror)), "", "", False)

    def note(self, answer: _Answer) -> None:
        """Remember an answer."""
        if answer.line:
            self._now[answer.path] = answer.line
            self._any_new |= answer.new

    def __enter__(self) -> _Memory:
        return self

    def __exit__(self, interrupted: type[BaseException] | None, *_: object) -> None:
        if not self._any_new:
            return
        lines = {**self._before, **self._now} if interrupted else self._now
        try:
            with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False, encoding="ascii") as fresh:
                fresh.write(json.dumps(_DEPENDS_ON) + "\n" + "".join(lines.values()))
            os.replace(fresh.name, self._file)
        except OSError as error:
            _LOG.warning("verified images cannot be remembered in %s: %s", self._file.parent, error)

    def _load(self) -> Iterator[tuple[str, str]]:
        try:
            with self._file.open(encoding="ascii") as lines:
                if json.loads(next(lines, "null")) == _DEPENDS_ON:
                    for line in lines:
                        yield json.loads(line)[0], line
        except (OSError, ValueError, IndexError):
            return  # nothing is remembered, or nothing that can be read: the images are verified again


def _examine(data: bytes, look: bool) -> tuple[Finding, str]:
    """What is found of a file's bytes, and a glance in base64."""
    content, seen = hashlib.blake2b(data, digest_size=16).hexdigest(), ""
    try:
        if look:
            (width, height, mode, format_), picture = verify_and_show(data, SIDE_PX)
            seen = base64.b64encode(glance(picture)).decode("ascii")
        else:
            width, height, mode, format_ = verify(data)
    except ImageError as error:
        return (content, error.kind, error.detail), ""
    return (content, width, height, f"{format_} {mode}"), seen


def _drawn(name: str) -> Finding:
    """Of an image that a formula makes: its name says all that its pixels depend on."""
    side = parse_name(name).size_px
    return (hashlib.blake2b(name.encode(), digest_size=16).hexdigest(), side, side, "drawn RGB")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
