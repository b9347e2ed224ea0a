"""A run that was exported to ONNX behind HTTP: the scores of its PyTorch model, and no attention."""

from __future__ import annotations

import base64
import signal

import pytest

import finetune
from finetune.predict import open_predictor
from finetune.recipe.sections import Serve
from finetune.serve.description import description
from finetune.serve.metrics import Metrics
from finetune.serve.service import Service


@pytest.fixture(scope="module")
def exported(make_run):
    run = make_run("multiclass", temperature=2.0)
    finetune.open_run(run).export("onnx")
    return run


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_graph_answers_what_run_predict_says_and_shows_no_attention(exported, start, photo, workers):
    contents = [photo(0, "JPEG"), photo(1)]
    expected = finetune.open_run(exported, device="cpu").predict(contents)
    with start(exported, "--runtime", "onnx", "--workers", workers) as server:
        status, answer = server.score(*contents)
        assert status == 200
        for entries, said in zip(answer, expected, strict=True):
            scores = {entry["label"]: entry["score"] for entry in entries}
            assert scores == pytest.approx(said.probabilities, abs=1e-5)
        model = server.get("/model")[1]
        assert (model["runtime"], model["model_type"], model["attention"]) == ("onnx", "onnx", False)
        status, answer = server.post({"input_data": [base64.b64encode(contents[0]).decode()]}, "/attention")
        assert (status, answer["error"]) == (
            404,
            "an ONNX graph has no attention to show; serve the run without --runtime onnx",
        )
        assert server.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_precision_that_the_graph_does_not_have_is_refused_once(exported, command, workers):
    done = command("serve", str(exported), "--runtime", "onnx", "--precision", "bf16", "--workers", workers)
    assert done.returncode == 2
    assert done.stderr.count("precision bf16: an ONNX model computes in fp32, as it was exported") == 1


def test_the_precision_is_told_that_the_graph_was_written_in(exported, monkeypatch):
    predictor, options = open_predictor(exported, runtime="onnx"), Serve(run=str(exported), runtime="onnx")
    monkeypatch.setattr(predictor, "graph_precision", "int8")
    service = Service(predictor, options, Metrics())
    assert description(service, options)["precision"] == "int8"
    service.close()
