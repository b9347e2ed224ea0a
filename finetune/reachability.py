"""Whether a checkpoint, a teacher or a data set can be had: from this disk, from a cache, or from the network.

Nothing is downloaded. What is on the disk answers without the network; else one short request does, in a thread that
is left behind when its time is up, because a name look-up cannot be cut short.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from finetune.recipe.sections import Data, Distill, FormulaData, HubData, Model

SECONDS = 4.0
"""For all requests together; they run side by side."""

LOCAL_BUILDERS = ("arrow", "audiofolder", "csv", "imagefolder", "json", "parquet", "text", "webdataset")
_HUB_IS_OFF = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class Need:
    """Something that a recipe names and that has to come from somewhere.

    Args:
        key: The recipe's key.
        name: What it names.
        url: Where a request finds out; None where the disk has answered.
        why_not: The reason, where it is known without a request that it cannot be had.
    """

    key: str
    name: str
    url: str | None = None
    why_not: str | None = None


def checkpoint_need(model: Model) -> Need:
    """What ``model.checkpoint`` needs. A path needs no network, also one that does not exist: that is another fault."""
    return _model_need("model.checkpoint", model.checkpoint, model.revision)


def teacher_need(distill: Distill | None) -> Need:
    """What ``distill.teacher`` needs, as a checkpoint does; nothing where there is none."""
    return (
        Need("distill.teacher", "")
        if distill is None
        else _model_need("distill.teacher", distill.teacher, distill.revision)
    )


def _model_need(key: str, name: str, revision: str | None) -> Need:
    need = Need(key, name)
    if name.startswith("bundled:") or Path(name).expanduser().exists():
        return need
    from finetune.model.hub import cached_snapshot
    from finetune.model.sources import is_hub_name

    if not is_hub_name(name) or cached_snapshot(name, revision):
        return need
    return _on_the_hub(need, f"{name}/resolve/{quote(revision or 'main', safe='')}/config.json", _HUB_IS_OFF)


def data_need(data: Data) -> Need:
    """What the data section needs; a folder that is there, or was downloaded earlier, needs no network."""
    if isinstance(data, HubData):
        return _hub_data_need(data)
    if isinstance(data, FormulaData):
        return Need("data.family", data.family)
    need = Need("data.root", data.root)
    if data.root.startswith("bundled:") or Path(data.root).expanduser().exists() or data.download is None:
        return need
    from finetune.data.download import cached_root

    if data.download.url.startswith("file:") or cached_root(data.download, data.root):
        return need
    return Need("data.download.url", data.download.url, data.download.url)


def _hub_data_need(data: HubData) -> Need:
    need = Need("data.name", data.name)
    if data.name in LOCAL_BUILDERS or Path(data.name).expanduser().exists() or _datasets_cache(data.name).is_dir():
        return need
    return _on_the_hub(need, f"api/datasets/{data.name}", (*_HUB_IS_OFF, "HF_DATASETS_OFFLINE"))


def _datasets_cache(name: str) -> Path:
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    cache = Path(os.environ.get("HF_DATASETS_CACHE") or Path(home) / "datasets")
    return cache.expanduser() / name.replace("/", "___")


def _on_the_hub(need: Need, path: str, switches: Sequence[str]) -> Need:
    off = [name for name in switches if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")]
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    why_not = f"{off[0]} is set" if off else None
    return Need(need.key, need.name, f"{endpoint.rstrip('/')}/{path}", why_not)


# ---------------------------------------------------------------- asking the network


def reasons_against(needs: Sequence[Need], seconds: float = SECONDS) -> list[str | None]:
    """Why each need cannot be had, or None where it can.

    Args:
        needs: They are asked for side by side.
        seconds: The most that all of it takes, also where a name look-up hangs.
    """
    answers: queue.Queue[tuple[int, str | None]] = queue.Queue()
    why: list[str | None] = [need.why_not for need in needs]
    waiting = {number for number, need in enumerate(needs) if need.url and not need.why_not}
    for number in waiting:
        ask = threading.Thread(target=_answer, args=(number, str(needs[number].url), seconds, answers), daemon=True)
        ask.start()
    end = time.monotonic() + seconds
    while waiting:
        try:
            number, reason = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        why[number] = reason
        waiting.remove(number)
    for number in waiting:
        why[number] = f"{_host(needs[number])} gave no answer within {seconds:.1g} s"
    return why


def _answer(number: int, url: str, seconds: float, answers: queue.Queue[tuple[int, str | None]]) -> None:
    try:
        answers.put((number, reason_against(url, seconds)))
    except Exception as error:  # whatever the request ended with, it was no answer
        answers.put((number, f"{urlsplit(url).hostname}: {type(error).__name__}: {error}"))


def reason_against(url: str, seconds: float) -> str | None:
    """Ask for an address's head, and where that is refused for its first byte.

    Returns:
        None if it can be had, or if the Hub itself answers that it has no such thing: then the name is wrong, not
        the network.
    """
    host, headers = urlsplit(url).hostname, {"User-Agent": "deit-finetune"}
    address = quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    for request in (
        urllib.request.Request(address, headers=headers, method="HEAD"),
        urllib.request.Request(address, headers={**headers, "Range": "bytes=0-0"}),
    ):
        try:
            with urllib.request.urlopen(request, timeout=seconds):
                return None
        except urllib.error.HTTPError as error:
            if error.headers.get("X-Error-Code"):
                return None
            reason = f"{host} answered {error.code} ({error.reason})"
            if error.code not in (403, 405, 501):
                return reason
        except (OSError, ValueError) as error:
            return _in_words(error, str(host), seconds)
    return reason


def _in_words(error: Exception, host: str, seconds: float) -> str:
    cause: Any = getattr(error, "reason", error)
    if isinstance(cause, socket.gaierror):
        return f"the name {host} cannot be looked up (no network?)"
    if isinstance(cause, TimeoutError):
        return f"{host} gave no answer within {seconds:.1g} s"
    if isinstance(cause, ConnectionRefusedError):
        return f"{host} refused the connection"
    return f"{host}: {cause}"


def _host(need: Need) -> str:
    return str(urlsplit(str(need.url)).hostname)
