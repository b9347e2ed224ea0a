"""Zip archives that a recipe names: fetched once, verified, unpacked below the cache folder.

    downloads/fridgeObjects-0c9f6a2b51d3/fetched.json    url, sha256, bytes
    downloads/fridgeObjects-0c9f6a2b51d3/files/…         what was in the archive

A folder appears under its name when everything in it is there, by one rename; processes that need the same archive
at once wait for the first. Nothing heavy is imported here, so that reachability can be decided quickly.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Protocol

from finetune.cache import cache_dir
from finetune.data.unpack import unpack
from finetune.errors import DataError, UnreachableError

if TYPE_CHECKING:
    from finetune.recipe.sections import Download

_TIMEOUT_S = 30  # without a single byte
_BLOCK = 1 << 20


def cached_root(download: Download, root: str) -> Path | None:
    """The data's folder in an archive that was fetched earlier; None where it was not. No network is used.

    Args:
        download: Address and digest; an archive that was fetched without one serves if it has the one now asked for.
        root: ``data.root`` as the recipe says it.
    """
    home = _fetched(download)
    return None if home is None else _root_within(home / "files", root)


def fetched_root(download: Download, root: str) -> Path:
    """The data's folder, fetched now unless it was before.

    Raises:
        UnreachableError: the address does not answer.
        DataError: the archive is another than expected, no zip, unsafe to unpack, or does not fit the disk.
    """
    if _fetched(download) is None:
        with _alone(download):
            if _fetched(download) is None:
                _fetch(download)
    found = cached_root(download, root)
    if found is None:
        raise DataError(f"{download.url}: vanished from the cache folder {cache_dir('downloads')} while it was in use")
    return found


def archive_record(download: Download) -> dict[str, Any]:
    """url, sha256 and bytes of an archive that was fetched; empty where it was not."""
    home = _fetched(download)
    return {} if home is None else _record(home)


def _fetched(download: Download) -> Path | None:
    """The folder of an archive that is here already."""
    exact = _home(download.url, download.sha256)
    if exact.is_dir():
        return exact
    unverified = _home(download.url, None)
    if download.sha256 and unverified.is_dir() and _record(unverified).get("sha256") == download.sha256:
        return unverified
    return None


def _home(url: str, sha256: str | None) -> Path:
    key = hashlib.sha256(f"{url}\n{sha256 or ''}".encode()).hexdigest()[:12]
    stem = PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).stem
    readable = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)[:60]
    return cache_dir("downloads") / f"{readable or 'archive'}-{key}"


def _record(home: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((home / "fetched.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record


@contextmanager
def _alone(download: Download) -> Iterator[None]:
    """Let one process at a time fetch an archive."""
    from filelock import FileLock

    home = _home(download.url, download.sha256)
    with FileLock(home.with_name(f".{home.name}.lock")):
        yield


def _fetch(download: Download) -> None:
    """Fetch, verify and unpack beside the final place, then rename."""
    home = _home(download.url, download.sha256)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as scratch:
            archive, fresh = Path(scratch) / "archive.zip", Path(scratch) / "whole"
            with archive.open("wb") as file:
                digest, size = _copy(download.url, file)
            _compare(download, digest)
            fresh.mkdir()
            unpack(archive, fresh / "files", download.url)
            record = {"url": download.url, "sha256": digest, "bytes": size}
            (fresh / "fetched.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
            os.rename(fresh, home)
    except OSError as error:
        room = "set DEIT_FINETUNE_CACHE to a folder with more room"
        raise DataError(
            f"{download.url}: cannot be kept below {home.parent} ({error.strerror or error}); {room}"
        ) from error


def _copy(url: str, file: IO[bytes]) -> tuple[str, int]:
    """Fetch a URL into a file; its sha256 and its size in bytes."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    digest, size = hashlib.sha256(), 0
    with _opened(url) as response:
        expected = int(response.headers.get("Content-Length") or 0)
        with tqdm(total=expected or None, desc=f"fetching {url}", unit="B", unit_scale=True, unit_divisor=1024) as bar:
            while block := _read(response, url):
                digest.update(block)
                file.write(block)
                size += len(block)
                bar.update(len(block))
    if size < expected:
        raise UnreachableError(f"{url}: the connection ended after {size} of {expected} bytes; start again")
    return digest.hexdigest(), size


def _opened(url: str) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "deit-finetune"})
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except (OSError, ValueError) as error:  # URLError is an OSError
        raise _unreachable(url, error) from error


class _Readable(Protocol):
    def read(self, amount: int, /) -> bytes: ...


def _read(response: _Readable, url: str) -> bytes:
    try:
        return response.read(_BLOCK)
    except (OSError, ValueError) as error:
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: Exception) -> UnreachableError:
    reason = getattr(error, "reason", None) or error
    status = f"HTTP {error.code} " if isinstance(error, urllib.error.HTTPError) else ""
    return UnreachableError(
        f"data.download.url: {url} cannot be fetched ({status}{reason}); check the address, or fetch it by other means,"
        " unpack it and name the folder in data.root"
    )


def _compare(download: Download, digest: str) -> None:
    if download.sha256 and digest != download.sha256:
        raise DataError(
            f"data.download.sha256: {download.url} has {digest}, the recipe expects {download.sha256}; the archive was"
            " changed or damaged on its way; nothing was unpacked"
        )


def _root_within(files: Path, root: str) -> Path:
    """``root`` within the unpacked files, else its last part, else the only folder, else the files themselves."""
    wanted = PurePosixPath(root.replace("\\", "/"))
    safe = not wanted.is_absolute() and ".." not in wanted.parts
    for candidate in ([files / wanted] if safe else []) + [files / wanted.name]:
        if wanted.name and candidate.is_dir():
            return candidate
    entries = [entry for entry in files.iterdir() if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else files
