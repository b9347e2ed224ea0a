"""Processes, sockets and signals."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from finetune.errors import FinetuneError, HardwareError
from finetune.predict import open_predictor
from finetune.recipe.sections import Serve
from finetune.serve.access import log_to_stderr
from finetune.serve.keys import read_key

_BACKLOG = 2048
_GRACE_S = 5  # beyond a request's own time


def run_server(options: Serve) -> None:
    """Serve until SIGINT or SIGTERM, then answer what was taken in and return.

    A second Ctrl-C does not wait. uvicorn gives a client all the time it wants to send a request's head; on an open
    network put a proxy in front that does not.

    Raises:
        FinetuneError: the run cannot be opened, there is no key where one is asked for, or nobody can listen there.
    """
    read_key(options.api_key_file)
    if options.workers == 1:
        log_to_stderr(options.access_log)
        config = uvicorn.Config(_application(options), **_settings(options))
        with _listening(options) as listener:
            _end_quietly()
            _say(options, listener)
            uvicorn.Server(config).run(sockets=[listener])
        return
    with open_predictor(options.run, "cpu", options.runtime).forward(precision=options.precision):
        pass  # a fault is said once, here, and not by every worker
    with tempfile.TemporaryDirectory(prefix="deit-finetune-metrics-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared  # of `finetune.serve.metrics`, which reads it when imported
        config = uvicorn.Config(partial(_worker, options), factory=True, workers=options.workers, **_settings(options))
        with _listening(options) as listener:
            _say(options, listener)
            Multiprocess(config, [listener]).run()


def _application(options: Serve) -> Any:
    from finetune.serve.app import make_app

    return make_app(open_predictor(options.run, runtime=options.runtime), options, read_key(options.api_key_file))


def _worker(options: Serve) -> Any:
    """The application of one of several processes, which share the CPU's cores."""
    import torch

    log_to_stderr(options.access_log)
    torch.set_num_threads(max(1, torch.get_num_threads() // options.workers))
    try:
        return _application(options)
    except FinetuneError as error:
        print(f"deit-finetune: {error}", file=sys.stderr, flush=True)
        raise SystemExit(STARTUP_FAILURE) from error


def _settings(options: Serve) -> dict[str, Any]:
    return {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "http": "h11",
        "loop": "asyncio",
        "ws": "none",
        "timeout_graceful_shutdown": int(options.timeout_s) + _GRACE_S,
        "timeout_worker_healthcheck": 60,
    }


def _listening(options: Serve) -> socket.socket:
    """A socket that is bound.

    Raises:
        HardwareError: it cannot be.
    """
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        # The protocol by its number: only then asyncio turns off Nagle's algorithm, which costs an answer 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
    except OSError as error:
        raise HardwareError(
            f"{options.host} port {options.port}: cannot listen there ({error.strerror or error}); "
            "choose another --host or --port, or stop what listens there"
        ) from error
    listener.listen(_BACKLOG)
    listener.set_inheritable(True)
    return listener


def _say(options: Serve, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"{options.run}: http://{host}:{port} (POST /score; a page at /; Ctrl-C stops)", flush=True)


def _end_quietly() -> None:
    """uvicorn raises the signal that stopped it once more, when all is answered; that is no failure.

    To be called before uvicorn puts its own handlers in place.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
