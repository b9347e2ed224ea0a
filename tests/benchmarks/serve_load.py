"""What a server adds: clients on loopback against `predict` on the same images.

    python tests/benchmarks/serve_load.py [--images 200] [--memory-requests 10000]

DeiT-tiny's shape with random weights at 224 px; drawn fridge objects as JPEG, one image a request. First `predict` and
the server's p50 and p99 at 1, 8 and 32 clients, alternating with `predict` (both share the machine with the clients,
which are a process of their own); then decode plus forward alone against the server's answer to one client; then the
server's memory over many requests of small images to a small model.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image
from transformers import DeiTConfig, DeiTForImageClassification

from finetune.data.bundled import bundled_root
from finetune.data.images import decode
from finetune.labels import LabelSpace
from finetune.model import save_model
from finetune.pixels import PixelPipeline
from finetune.predict import open_predictor
from finetune.recipe import load_recipe
from finetune.run_folder import RunFolder

LABELS = LabelSpace(("can", "carton", "milk_bottle", "water_bottle"))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIENTS = (1, 8, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200, help="requests of each measurement")
    parser.add_argument("--memory-requests", type=int, default=10_000)
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads of torch, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as root:
        throughput(write_run(Path(root), "tiny", 192, 12, 224), options.images)
        memory(write_run(Path(root), "small", 32, 2, 32), options.memory_requests)


def throughput(run: Path, images: int) -> None:
    """`predict` and the server in turn, and what one client waits beyond decoding and the forward pass."""
    contents = pictures(images)
    predictor = open_predictor(run, "cpu")
    predictor.predict(contents[:32])
    with serving(run) as (port, _):
        ask(port, contents[:32], 32)
        for clients in CLIENTS:
            began = time.perf_counter()
            predictor.predict(contents)
            alone = len(contents) / (time.perf_counter() - began)
            seconds, taken = ask(port, contents, clients)
            served = len(contents) / seconds
            p50, p99 = np.percentile(np.array(taken) * 1000, [50, 99])
            print(
                f"{clients:3} clients: {served:6.1f} images/s, predict {alone:6.1f}, ratio {served / alone:.2f}; "
                f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
                flush=True,
            )
        overhead(predictor, port, contents[:60])


def overhead(predictor, port: int, contents: list[bytes]) -> None:
    """One image at a time, in turn by hand and over HTTP, so that both see the same machine."""
    by_hand, served = [], []
    with predictor.forward() as forward:
        for content in contents:
            began = time.perf_counter()
            pixels = predictor.pixels.to_uint8(decode(content))
            predictor.said(forward(torch.from_numpy(pixels[None])).numpy(), [None])
            by_hand.append(time.perf_counter() - began)
            served += ask_here(port, [content])
    pairs = [1000 * (b - a) for a, b in zip(by_hand, served, strict=True)]
    print(
        f"one client: decode plus forward {1000 * statistics.median(by_hand):.1f} ms, served "
        f"{1000 * statistics.median(served):.1f} ms; median of the differences {statistics.median(pairs):.1f} ms"
    )


def memory(run: Path, requests: int) -> None:
    """Resident memory of the server as requests go on."""
    contents = [small(seed) for seed in range(50)]
    with serving(run) as (port, process):
        held = []
        for part in range(11):
            if part:
                ask(port, [contents[i % 50] for i in range(requests // 10)], 8)
            held.append(process.memory_info().rss / 2**20)
        print(f"memory over {requests} requests, MiB: {' '.join(f'{value:.0f}' for value in held)}")


# ------------------------------------------------------------ parts


def write_run(root: Path, name: str, width: int, layers: int, side: int) -> Path:
    """A finished run of that shape; DeiT-tiny has width 192 and 12 layers of 3 heads."""
    torch.manual_seed(0)
    config = DeiTConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
        image_size=side,
        patch_size=16,
        problem_type="single_label_classification",
        id2label=LABELS.id2label,
        label2id=LABELS.label2id,
    )
    run = RunFolder.create(root, name)
    run.write_recipe(load_recipe({"task": "multiclass", "data": {"kind": "folder", "root": "photos"}}))
    pixels = PixelPipeline("shortest_edge", side * 8 // 7, side, "bicubic", *IMAGENET)
    save_model(DeiTForImageClassification(config).eval(), pixels, run.model)
    run.update_record({"status": "finished"})
    return run.path


def pictures(count: int) -> list[bytes]:
    files = sorted(bundled_root("fridge-objects").rglob("*.jpg"))
    return [files[i % len(files)].read_bytes() for i in range(count)]


def small(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


@contextmanager
def serving(run: Path) -> Iterator[tuple[int, psutil.Process]]:
    call = [sys.executable, "-m", "finetune", "serve", str(run), "--port", "0", "--no-access-log"]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = int(re.search(r"http://[^:]+:(\d+)", process.stdout.readline())[1])
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def ask(port: int, contents: list[bytes], clients: int) -> tuple[float, list[float]]:
    """Seconds in all and of each request, from a process of its own, so that its threads do not hold this one's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        return other.submit(ask_from_threads, port, contents, clients).result()


def ask_from_threads(port: int, contents: list[bytes], clients: int) -> tuple[float, list[float]]:
    bodies = list(map(body_of, contents))
    taken: list[list[float]] = [[] for _ in range(clients)]

    def client(number: int) -> None:
        taken[number] = ask_bodies(port, bodies[number::clients])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, [seconds for part in taken for seconds in part]


def ask_here(port: int, contents: list[bytes]) -> list[float]:
    return ask_bodies(port, list(map(body_of, contents)))


def ask_bodies(port: int, bodies: list[bytes]) -> list[float]:
    """Seconds of each request of one client that keeps its connection."""
    connection, taken = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
    for body in bodies:
        began = time.perf_counter()
        connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        taken.append(time.perf_counter() - began)
    connection.close()
    return taken


def body_of(content: bytes) -> bytes:
    return json.dumps({"input_data": [base64.b64encode(content).decode()]}).encode()


if __name__ == "__main__":
    main()
