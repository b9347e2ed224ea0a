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
    status = os.stat(path)
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    folder = scan(path)
    yield folder
    for name in folder.folders:
        yield from walk(os.path.join(path, name), above | {here})


def read_folder(root: Path) -> Rows:
    """The rows of a folder of class folders.

    Args:
        root: An existing folder, absolute.
    Raises:
        DataError: there are no class folders, or no images in them, or the layout is ambiguous.
    """
    top = scan(str(root))
    rows = Rows()
    layout = _split_folders(root, top)
    if not layout:
        _add_classes(rows, root, top, None)
    else:
        rows.splits = []
        for split in SPLITS:
            if split in layout:
                _add_classes(rows, root, scan(str(root / layout[split])), split)
    if not len(rows):
        raise DataError(_no_images(root, top))
    return rows


def _split_folders(root: Path, top: Folder) -> dict[SplitName, str]:
    """The folder of each split, or nothing where the folders are classes."""
    named = [name for name in top.folders if name.casefold() in SPLIT_WORDS]
    held = {name: scan(str(root / name)) for name in named}
    if not any(folder.folders and not folder.images for folder in held.values()):
        return {}
    layout: dict[SplitName, str] = {}
    for name in named:
        split = SPLIT_WORDS[name.casefold()]
        if split in layout:
            raise DataError(f"{root}: {layout[split]}/ and {name}/ are both the {split} split; keep one of them")
        layout[split] = name
    if "train" not in layout:
        raise DataError(
            f"{root}: {', '.join(f'{name}/' for name in named)} hold class folders, but there is no train/ beside them"
        )
    return layout


def _add_classes(rows: Rows, root: Path, top: Folder, split: SplitName | None) -> None:
    shared = LabelSets()
    deeper: list[str] = []
    others = list(top.others)
    for name in top.folders:
        before = len(rows)
        for folder in walk(os.path.join(top.path, name)):
            paths = [os.path.join(folder.path, image) for image in folder.images]
            rows.paths += paths
            rows.names += [stable_name(os.path.relpath(path, root)) for path in paths]
            others += folder.others
            if folder.path != os.path.join(top.path, name):
                deeper += paths
        count = len(rows) - before
        rows.labels += [shared([name])] * count
        if rows.splits is not None:
            rows.splits += [split] * count
        if not count:
            rows.notes.append(f"class folder {os.path.relpath(os.path.join(top.path, name), root)} holds no images")
    _note(rows, root, deeper, "lie deeper than their class folder and count for it")
    _note(
        rows, root, [os.path.join(top.path, image) for image in top.images], "lie in no class folder and are left out"
    )
    _note(rows, root, others, "are left out, because their names are not those of images")


def _note(rows: Rows, root: Path, paths: list[str], what: str) -> None:
    if paths:
        rows.notes.append(f"{len(paths)} files {what}, first: {os.path.relpath(paths[0], root)}")


def _no_images(root: Path, top: Folder) -> str:
    if top.images:
        return f"{root}: holds {len(top.images)} images but no class folders; expected one folder per class"
    return f"{root}: holds no images; expected one folder of images per class"
