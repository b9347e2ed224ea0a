"""A small run with random weights, and a real server process on loopback."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finetune.labels import LabelSpace
from finetune.model.decision import Decision, write_decision

NAMES = ("can", "carton", "milk bottle", "Wasserflasche <ü>")


@pytest.fixture(scope="session")
def make_run(draw_run: Callable[..., Any]) -> Callable[..., Path]:
    """``make_run("multiclass", temperature=2.0)``: the folder of a finished run."""

    def make(task: str, temperature: float | None = None) -> Path:
        folder = draw_run(NAMES, task)
        if temperature is not None:
            temperatures = (temperature,) if task == "multiclass" else (temperature,) * len(NAMES)
            write_decision(folder.model, Decision(temperature=temperatures), LabelSpace(NAMES), {"split": "validation"})
        return folder.path

    return make


@pytest.fixture(scope="session")
def run(make_run: Callable[..., Path]) -> Path:
    return make_run("multiclass", temperature=2.0)


@pytest.fixture(scope="session")
def multilabel_run(make_run: Callable[..., Path]) -> Path:
    return make_run("multilabel")


@pytest.fixture(scope="session")
def photo() -> Callable[..., bytes]:
    """``photo(seed, "JPEG")``: an image file of noise, of a size of its own."""

    def make(seed: int = 0, format_: str = "PNG", **options: Any) -> bytes:
        noise = np.random.default_rng(seed).integers(0, 256, (40 + seed % 7, 48, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).save(file, format_, **options)
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def hostile() -> Callable[[int], list[tuple[str, bytes]]]:
    """``hostile(200)``: so many bodies that nobody should send, each with its kind."""
    return _beside("hostile").hostile_bodies


@pytest.fixture(scope="session")
def conformance() -> Callable[..., Any]:
    """``conformance(address, images, examples=60)``: how a server answers what schemathesis makes of its document."""
    return _beside("conformance").conformance


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


class Server:
    """A server process, asked over HTTP."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process, self.address = process, address
        self.port = int(address.rpartition(":")[2])

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return self._answer(urllib.request.Request(f"{self.address}{path}", headers=headers))

    def post(self, content: Any, path: str = "/score", **headers: str) -> tuple[int, Any]:
        """Status and JSON; ``content`` is sent as it is where it is bytes, else as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", **headers}
        return self._answer(urllib.request.Request(f"{self.address}{path}", body, headers))

    def score(self, *contents: bytes) -> tuple[int, Any]:
        return self.post({"input_data": [base64.b64encode(content).decode() for content in contents]})

    @staticmethod
    def _answer(request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, body, kind = response.status, response.read(), response.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            status, body, kind = error.code, error.read(), error.headers["Content-Type"]
        return status, json.loads(body) if kind == "application/json" else body.decode()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def running(run: Path | str, *options: str, log: list[str] | None = None, **environment: str) -> Iterator[Server]:
    """``deit-finetune serve RUN --port 0 …`` until the block ends."""
    call = [sys.executable, "-m", "finetune", "serve", str(run), "--port", "0", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    lines: list[str] = [] if log is None else log
    reader = threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True)
    reader.start()
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            process.wait(60)
            reader.join(10)
            pytest.fail("the server did not start:\n" + "".join(lines))
        yield Server(process, found[0])
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        reader.join(10)
        process.stdout.close()
        process.stderr.close()


@pytest.fixture(scope="session")
def server(run: Path) -> Iterator[Server]:
    with running(run, "--max-images", "8", "--max-body-mb", "1", "--timeout-s", "20") as started:
        yield started


@pytest.fixture(scope="session")
def start() -> Callable[..., Any]:
    return running
