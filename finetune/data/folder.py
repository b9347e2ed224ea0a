"""Class folders on disk: ``root/can/1.jpg``, or ``root/train/can/1.jpg`` with ``val`` and ``test`` beside it.

How a folder is read:

* The class of an image is the first folder below the root (or below the split's folder); images that lie deeper
  belong to it too, and are counted in a note.
* ``train`` with class folders in it makes a split layout; ``train`` with images in it is a class called train.
* Hidden files and what desktops leave behind (Thumbs.db, .DS_Store, __MACOSX …) are passed over in silence; any
  other file that has no image's extension is passed over with a note.
* Links are followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from finetune.data.rows import SPLIT_WORDS, SPLITS, LabelSets, Rows, SplitName, stable_name
from finetune.errors import DataError

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ppm"),
    *(".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif", ".tga", ".pcx", ".ico"),
    *(".heic", ".heif"),  # cannot be decoded, but are images, so that their fault is said
)
_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found"})


@dataclass
class Folder:
    """What lies directly in a folder, without litter, sorted by name."""

    path: str
    folders: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def scan(path: str) -> Folder:
    """List one folder. Sorted, because the order of a directory differs from machine to machine."""
    found = Folder(path)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.casefold() in _LITTER:
                continue
            if entry.is_dir():
                found.folders.append(entry.name)
            elif os.path.splitext(entry.name)[1].casefold() in EXTENSIONS:
                found.images.append(entry.name)
            else:
                found.others.append(entry.name)
    for names in (found.folders, found.images, found.others):
        names.sort()
    return found


def walk(path: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Folder]:
    """A folder and all below it; a link back to a folder above is not followed again."""
    here = _identity(path)
    if here in above:
        return
    folder = scan(path)
    yield folder
    for name in folder.folders:
        yield from walk(os.path.join(path, name), above | {here})


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def read_folder(root: Path) -> Rows:
    """The rows of a folder of class folders.

    Args:
        root: An existing folder, absolute.
    Raises:
        DataError: there are no class folders, or no images in them, or the layout is ambiguous.
    """
    top = scan(str(root))
    layout = _split_folders(root, top)
    rows = Rows(splits=[] if layout else None)
    for split in SPLITS:
        if split in layout:
            _add_classes(rows, root, scan(str(root / layout[split])), split)
    if not layout:
        _add_classes(rows, root, top, None)
    if not len(rows):
        raise DataError(_no_images(root, top))
    _refuse_a_folder_around_all(rows, root)
    return rows


def _split_folders(root: Path, top: Folder) -> dict[SplitName, str]:
    """The folder of each split, or nothing where the folders are classes."""
    named = [name for name in top.folders if name.casefold() in SPLIT_WORDS]
    held = (scan(str(root / name)) for name in named)
    if not any(folder.folders and not folder.images for folder in held):
        return {}
    layout: dict[SplitName, str] = {}
    for name in named:
        split = SPLIT_WORDS[name.casefold()]
        if split in layout:
            raise DataError(f"{root}: {layout[split]}/ and {name}/ are both the {split} split; keep one of them")
        layout[split] = name
    if "train" not in layout:
        folders = ", ".join(f"{name}/" for name in named)
        raise DataError(f"{root}: {folders} hold class folders, but there is no train/ beside them")
    for name in top.folders:
        if name not in named and any(folder.images for folder in walk(str(root / name))):
            raise DataError(f"{root}: {name}/ holds images beside train/; expected only train, val and test there")
    return layout


def _add_classes(rows: Rows, root: Path, top: Folder, split: SplitName | None) -> None:
    """The images below each folder of `top`, which is the root or a split's folder."""
    shared = LabelSets()
    above = frozenset({_identity(str(root)), _identity(top.path)})
    found = _Passed(rows, root, outside=[os.path.join(top.path, name) for name in top.images])
    found.others += [os.path.join(top.path, name) for name in top.others]
    for name in top.folders:
        path = os.path.join(top.path, name)
        before = len(rows)
        for folder in walk(path, above):
            images = [os.path.join(folder.path, image) for image in folder.images]
            rows.paths += images
            rows.names += [stable_name(image[len(str(root)) + 1 :]) for image in images]
            found.others += [os.path.join(folder.path, other) for other in folder.others]
            found.deeper += images if folder.path != path else []
        count = len(rows) - before
        found.empty += [] if count else [path]
        rows.labels += [shared([name])] * count
        if rows.splits is not None:
            rows.splits += [split] * count
    found.note()


@dataclass
class _Passed:
    """What was come across and is worth a note."""

    rows: Rows
    root: Path
    outside: list[str]
    deeper: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def note(self) -> None:
        """Put it into the rows' notes."""
        self._add(
            self.deeper,
            "lies deeper than its class folder and counts for it",
            "lie deeper than their class folders and count for them",
        )
        self._add(self.outside, "lies in no class folder and is left out", "lie in no class folder and are left out")
        self._add(
            self.others,
            "is left out, because its name is not an image's",
            "are left out, because their names are not images'",
        )
        for path in self.empty:
            self.rows.notes.append(f"the class folder {self._name(path)} holds no images and is no class")

    def _add(self, paths: list[str], one: str, many: str) -> None:
        if paths:
            what = f"1 file {one}" if len(paths) == 1 else f"{len(paths)} files {many}"
            self.rows.notes.append(f"{what}, first: {self._name(paths[0])}")

    def _name(self, path: str) -> str:
        return os.path.relpath(path, self.root)


def _no_images(root: Path, top: Folder) -> str:
    if not top.images:
        return f"{root}: holds no images; expected one folder of images per class"
    table = next((name for name in top.others if name.casefold().endswith((".csv", ".jsonl"))), None)
    cure = ""
    if table:
        kind = "csv" if table.casefold().endswith(".csv") else "jsonl"
        cure = f"; it also holds {table}: set data.kind: {kind} and data.file: {table}"
    return f"{root}: holds {len(top.images)} images but no class folders; expected one folder per class{cure}"


def _refuse_a_folder_around_all(rows: Rows, root: Path) -> None:
    """One class, and none of its images directly in its folder: the root is a folder too high."""
    if len(set(rows.labels)) > 1 or rows.splits is not None:
        return
    (name,) = rows.labels[0]
    below = {image.split("/")[1] for image in rows.names if image.count("/") > 1}
    if len(below) > 1 and all(image.count("/") > 1 for image in rows.names):
        found = f"all images lie in {name}/, in its folders {', '.join(sorted(below)[:4])}"
        raise DataError(f"{root}: {found}; did you mean data.root: {root / name}?")
