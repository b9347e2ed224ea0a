"""Same image, same probabilities, by whatever road: Python, the command line, HTTP, ONNX and transformers itself.

What an exported MLflow model says is compared where it is exported.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image
from transformers import pipeline

from finetune.api import open_run
from finetune.predict import open_predictor
from finetune.predict.opening import Runtime
from finetune.recipe.sections import Serve
from finetune.run_folder import RunFolder
from finetune.serve.app import make_app

Scores = list[dict[str, float]]
"""Of each image, by class."""

# ------------------------------------------------------------ the roads, each to the scores of the same files


def run_predict(run: RunFolder, photos: Sequence[Path], runtime: Runtime = "torch") -> Scores:
    return [said.probabilities for said in open_run(run.path, device="cpu", runtime=runtime).predict(photos)]


def predict(run: RunFolder, photos: Sequence[Path]) -> Scores:
    out = run.path.parent / "predicted.jsonl"
    call = [sys.executable, "-m", "finetune", "predict", str(run.path), *map(str, photos)]
    subprocess.run([*call, "--out", str(out), "--all-labels"], check=True, capture_output=True)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    return [{key[6:]: value for key, value in row.items() if key.startswith("score_")} for row in rows]


def serve(run: RunFolder, photos: Sequence[Path], runtime: Runtime = "torch") -> Scores:
    texts = [base64.b64encode(photo.read_bytes()).decode() for photo in photos]
    with serving(run, runtime) as address:
        request = urllib.request.Request(f"{address}/score", json.dumps({"input_data": texts}).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [{entry["label"]: entry["score"] for entry in entries} for entries in json.load(answer)]


def run_predict_onnx(run: RunFolder, photos: Sequence[Path]) -> Scores:
    return run_predict(run, photos, "onnx")


def serve_onnx(run: RunFolder, photos: Sequence[Path]) -> Scores:
    return serve(run, photos, "onnx")


def transformers_pipeline(run: RunFolder, photos: Sequence[Path]) -> Scores:
    classify = pipeline("image-classification", model=str(run.model), device="cpu")
    rows = classify(list(map(str, photos)), top_k=len(open_run(run.path).labels))
    return [{entry["label"]: entry["score"] for entry in entries} for entries in rows]


ROADS = (predict, serve, run_predict_onnx, serve_onnx, transformers_pipeline)


@contextmanager
def serving(run: RunFolder, runtime: Runtime) -> Iterator[str]:
    """A server on loopback, in a thread: the processes are tested beside the server."""
    app = make_app(open_predictor(run.path, "cpu", runtime), Serve(run=str(run.path), runtime=runtime))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def largest_difference(ones: Scores, others: Scores) -> float:
    assert [one.keys() for one in ones] == [{**one, **other}.keys() for one, other in zip(ones, others, strict=True)]
    return max(abs(one[name] - other[name]) for one, other in zip(ones, others, strict=True) for name in one)


# ------------------------------------------------------------ what they say


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("kind", ["vit", "distilled"])
def test_a_jpeg_a_png_a_turned_and_a_cmyk_image_get_the_same_scores_by_every_road(make_run, photos, kind, task):
    run = make_run(kind, task)
    open_run(run.path).export("onnx")
    expected = run_predict(run, photos)
    assert np.ptp([list(dict(sorted(one.items())).values()) for one in expected], axis=0).max() > 0.01
    differences = {road.__name__: largest_difference(expected, road(run, photos)) for road in ROADS}
    assert {road: found for road, found in differences.items() if found > 1e-5} == {}


@pytest.fixture(scope="module")
def awkward(tmp_path_factory) -> dict[str, Path]:
    """Transparent and 16-bit images, and 8-bit ones of what they may be taken for."""
    folder = tmp_path_factory.mktemp("awkward")
    size = (40, 32)
    images = {
        "red_that_is_transparent": Image.new("RGBA", size, (255, 0, 0, 0)),
        "half_grey_of_16_bits": Image.fromarray(np.full(size[::-1], 128 * 257, dtype=np.uint16)),
        "red": Image.new("RGB", size, (255, 0, 0)),
        "white": Image.new("RGB", size, "white"),
        "grey": Image.new("RGB", size, (128, 128, 128)),
    }
    for name, image in images.items():
        image.save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in images}


@pytest.mark.parametrize(
    ("file", "ours", "theirs"),
    [("red_that_is_transparent", "white", "red"), ("half_grey_of_16_bits", "grey", "white")],
)
def test_transparency_and_16_bits_are_shown_as_viewers_show_them_and_not_as_transformers_does(
    make_run, awkward, file, ours, theirs
):
    """transformers drops the alpha channel, so that hidden colours come out, and cuts 16 bits off at 255."""
    run = make_run("vit", "multiclass")
    by_us = dict(zip(awkward, run_predict(run, list(awkward.values())), strict=True))
    by_them = dict(zip(awkward, transformers_pipeline(run, list(awkward.values())), strict=True))
    assert by_us[file] == pytest.approx(by_us[ours], abs=1e-6)
    assert by_them[file] == pytest.approx(by_them[theirs], abs=1e-6)
    assert largest_difference([by_us[ours]], [by_us[theirs]]) > 0.01


def test_a_single_class_is_certain_by_our_softmax_and_by_the_sigmoid_that_transformers_takes(draw_run, photos):
    """A run of one class is saved with a bias at which its sigmoid is 1."""
    run = draw_run(["can"])
    assert run_predict(run, photos[:1]) == [{"can": 1.0}]
    assert transformers_pipeline(run, photos[:1]) == [{"can": pytest.approx(1.0, abs=1e-5)}]
