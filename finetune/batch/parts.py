"""``FILE.parts``: what is done of a prediction to FILE, a part in a file of its own, until all are merged.

    predictions.parquet.parts/
      manifest.json       which model, inputs and options the parts are of
      000000.jsonl …      a line that says how many rows it has and of which images, then a line for each

A part is written under another name and then renamed, so that it is whole or not there. Which rows are in a part
follows from the rows alone, so that any number of processes, now or later, divide them in the same way.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from finetune.batch.rows import Row
from finetune.errors import RunFolderError
from finetune.run_folder.claim import claim, release
from finetune.run_folder.json_files import plain, read_json, read_json_lines, write_json, write_json_lines

_MANIFEST = "manifest.json"
_OURS = re.compile(r"\.claim|\.?(manifest\.json|\d+\.jsonl)(\.\d+)?")  # with a dot and a number while it is written
_HELD_BYTES = 64 * 2**20  # of images that lie in tables: a part has fewer rows where they are large


def in_parts(rows: Iterable[Row], images: int) -> Iterator[list[Row]]:
    """Rows in lists of ``images``, or of fewer where the rows hold their images themselves."""
    part: list[Row] = []
    held = 0
    for row in rows:
        part.append(row)
        held += row.held_bytes()
        if len(part) == images or held >= _HELD_BYTES:
            yield part
            part, held = [], 0
    if part:
        yield part


class Parts:
    """The parts of a prediction to a file.

    Args:
        out: The file.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.folder = out, out.with_name(f"{out.name}.parts")

    def begin(self, manifest: Mapping[str, Any], *, overwrite: bool) -> list[int]:
        """Make the folder, or go on with one of the same manifest, claimed by this process.

        Returns:
            The numbers of the parts that are there.
        Raises:
            RunFolderError: the file exists, or its parts are those of another model, other inputs or options, or
                another process writes them.
        """
        before = self._read_manifest()
        if self.folder.is_dir():
            claim(self.folder, "predicting to it")
        if overwrite:
            self._delete()
            before = None
        if self.out.exists() and not overwrite and not (before or {}).get("overwrite"):
            raise RunFolderError(f"{self.out}: exists already; choose another name, or write --overwrite")
        if before is None:
            self._delete()
            self.folder.mkdir()
            claim(self.folder, "predicting to it")
            write_json(self.folder / _MANIFEST, {**manifest, "overwrite": overwrite})
            return []
        differ = [key for key, value in plain(manifest).items() if before.get(key) != value]
        if differ:
            raise RunFolderError(
                f"{self.folder}: holds parts of another prediction, whose {' and '.join(differ)} differ; repeat the "
                f"command that was interrupted, choose another --out, or begin anew by --overwrite"
            )
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.jsonl"))

    def write(self, number: int, rows: Sequence[Row], lines: Iterable[Mapping[str, Any]]) -> None:
        """Write a part, whole or not at all."""
        header = {"rows": len(rows), "images": _digest(rows)}
        write_json_lines(self._file(number), chain([header], lines))

    def check(self, number: int, rows: Sequence[Row]) -> None:
        """Hold that a part that is there is of these very images.

        Raises:
            RunFolderError: files were added, removed or changed since.
        """
        if next(read_json_lines(self._file(number)), {}).get("images") != _digest(rows):
            raise RunFolderError(
                f"{self.folder}: the images of part {number}, from {rows[0].name} to {rows[-1].name}, are not those "
                "that it was made of: some were added, removed or changed; restore them, or begin anew by --overwrite"
            )

    def has(self, number: int) -> bool:
        """Whether a part is there."""
        return self._file(number).is_file()

    def lines(self, parts: int) -> Iterator[list[dict[str, Any]]]:
        """The lines of each part, in order."""
        for number in range(parts):
            header, *lines = [*read_json_lines(self._file(number))] or [{}]
            if len(lines) != header.get("rows"):
                raise RunFolderError(
                    f"{self._file(number)}: has {len(lines)} rows, not the {header.get('rows')} that it should; "
                    "delete it and repeat the command"
                )
            yield lines

    def end(self) -> None:
        """Remove the parts: all is in the file."""
        self._delete()

    def let_go(self) -> None:
        """Give the claim up, so that the same process may go on later."""
        release(self.folder)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.jsonl"

    def _read_manifest(self) -> dict[str, Any] | None:
        """None where there is none: nothing was begun, or it was killed at once."""
        path = self.folder / _MANIFEST
        if self.folder.exists() and not self._is_ours():
            raise RunFolderError(
                f"{self.folder}: is in the way, and not of this program; move it, or choose another --out"
            )
        manifest: dict[str, Any] | None = read_json(path) if path.is_file() else None
        return manifest

    def _is_ours(self) -> bool:
        """Whether there is nothing in the folder but what this program writes."""
        return self.folder.is_dir() and all(_OURS.fullmatch(entry.name) for entry in self.folder.iterdir())

    def _delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        release(self.folder)


def _digest(rows: Sequence[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(row.stamp())
    return digest.hexdigest()
