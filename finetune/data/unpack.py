"""Unpacking a zip archive from a stranger.

Refused before anything is written: names that lead out of the folder (absolute, a drive, ``..``), links and devices,
encrypted files, and archives that grow beyond measure. No more is ever written than the archive declares.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from finetune.errors import DataError

MAX_FILES = 10_000_000
MAX_RATIO = 100  # images hardly shrink in a zip; deflate reaches 1,030 on nothing but zeros
_RATIO_FROM = 256 * 2**20  # bytes unpacked below which the ratio does not matter


def unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack a zip archive into a new folder.

    Args:
        archive: The file.
        folder: Is made.
        name: What messages call the archive.
    Raises:
        DataError: it is no zip archive, is damaged, or is not safe to unpack.
    """
    folder.mkdir()
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            places = [_place(member, name) for member in members]
            _limit(members, archive, folder, name)
            for member, place in zip(members, places, strict=True):
                _extract(opened, member, folder / place)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        FileExistsError,
        NotADirectoryError,
    ) as error:
        raise DataError(f"{name}: is no zip archive that can be unpacked ({error}; {_beginning(archive)})") from error


def _place(member: zipfile.ZipInfo, name: str) -> PurePosixPath:
    """Where a member goes, below the folder."""
    place = PurePosixPath(member.filename.replace("\\", "/"))
    drive = ":" in (place.parts[0] if place.parts else "")
    if place.is_absolute() or drive or ".." in place.parts:
        raise DataError(f"{name}: {member.filename!r} in the archive leads out of its folder; nothing was unpacked")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{name}: {member.filename!r} in the archive is a link or a device; nothing was unpacked")
    if member.flag_bits & 1:
        raise DataError(
            f"{name}: {member.filename!r} in the archive is encrypted; unpack it and name the folder in data.root"
        )
    return place


def _limit(members: list[zipfile.ZipInfo], archive: Path, folder: Path, name: str) -> None:
    size = sum(member.file_size for member in members)
    packed, free = archive.stat().st_size, shutil.disk_usage(folder).free
    if len(members) > MAX_FILES:
        raise DataError(f"{name}: {len(members):,} files in the archive, more than {MAX_FILES:,}; nothing was unpacked")
    if size > _RATIO_FROM and size > MAX_RATIO * packed:
        ratio = f"{size:,} bytes from {packed:,}, more than {MAX_RATIO} to 1"
        raise DataError(
            f"{name}: would unpack to {ratio}; nothing was unpacked. Unpack it yourself if it can be trusted"
        )
    if size > free:
        raise DataError(
            f"{name}: unpacks to {size:,} bytes, and {folder.parent} has {free:,} free; set DEIT_FINETUNE_CACHE to a"
            " folder with more room"
        )


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, path.open("xb") as target:  # reads no more than the declared size
        shutil.copyfileobj(source, target, 1 << 20)


def _beginning(archive: Path) -> str:
    with archive.open("rb") as file:
        head = file.read(24)
    return f"it begins with {head!r}" if head else "it is empty"
