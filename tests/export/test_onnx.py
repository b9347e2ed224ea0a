"""One model, three programs: PyTorch, transformers' own pipeline and onnxruntime say the same of an image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import pipeline

import finetune
from finetune.api import open_run
from finetune.api.exported import export
from finetune.errors import CheckpointError, FinetuneError, RunFolderError
from finetune.export import onnx_graph
from finetune.model.decision import Decision, write_decision
from finetune.predict.onnx_model import OnnxPredictor


@pytest.fixture(scope="module")
def exported(make_run):
    """A run that was exported as fp32; it is not to be changed."""
    run = make_run("vit", "multiclass")
    export(run.path, "onnx")
    return run


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("kind", ["vit", "distilled"])
def test_run_predict_onnx_and_transformers_pipeline_agree_on_every_sort_of_file(make_run, photos, kind, task):
    run = make_run(kind, task)
    said = export(run.path, "onnx")
    assert said.agreement.largest_difference <= 1e-5
    ours = open_run(run.path).predict(photos)
    onnx = open_run(run.path, runtime="onnx").predict(photos)
    theirs = pipeline("image-classification", model=str(run.model), device="cpu")(list(map(str, photos)), top_k=3)
    spread = np.ptp([list(dict(sorted(one.probabilities.items())).values()) for one in ours], axis=0)
    assert spread.max() > 0.01  # the images are told apart, so agreement says something
    for one, other, rows in zip(ours, onnx, theirs, strict=True):
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-5)
        assert {row["label"]: row["score"] for row in rows} == pytest.approx(one.probabilities, abs=1e-5)
        assert (other.path, other.predicted) == (one.path, one.predicted)


def test_temperature_thresholds_and_mirror_images_are_those_of_the_run(make_run, photos):
    run = make_run("vit", "multilabel", flip=True)
    predictor = open_run(run.path).predictor
    write_decision(run.model, Decision((2.0, 0.5, 1.5), (0.9, 0.1, 0.4)), predictor.labels, {})
    export(run.path, "onnx")
    ours, onnx = open_run(run.path).predict(photos), open_run(run.path, runtime="onnx").predict(photos)
    for one, other in zip(ours, onnx, strict=True):
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-5)
        assert other.predicted == one.predicted


def test_the_graph_takes_any_number_of_uint8_images_and_the_folder_says_the_rest(make_run):
    import onnxruntime

    run = make_run("distilled", "multiclass")
    folder = export(run.path, "onnx").folder
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "model.json"}
    assert str(Path(finetune.__file__).parent).encode() not in (folder / "model.onnx").read_bytes()
    said = json.loads((folder / "model.json").read_text())
    assert (said["labels"], said["task"], said["precision"]) == (["can", "carton", "milk_bottle"], "multiclass", "fp32")
    assert said["checked"]["largest_difference"] <= 1e-5
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (7, *said["input"]["shape"][1:]), dtype=np.uint8)
    (alone,) = session.run(["scores"], {"pixels": pixels[:1]})
    (together,) = session.run(["scores"], {"pixels": pixels})
    assert together.shape == (7, 3)
    np.testing.assert_allclose(together.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(alone, together[:1], atol=1e-6)


@pytest.fixture(scope="module")
def learnt(image_folder, tiny_vit, tmp_path_factory):
    """A run of the tiny model that has learnt its three classes."""
    recipe = {
        "task": "multiclass",
        "data": {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.25}},
        "model": {"checkpoint": str(tiny_vit)},
        "optim": {"preset": "plain", "epochs": 60, "batch_size": 8, "learning_rate": 1e-2},
        "augment": {"preset": "none"},
        "run": {"root": str(tmp_path_factory.mktemp("runs")), "precision": "fp32", "tracking": []},
    }
    run = finetune.finetune(recipe)
    files = sorted(image_folder.rglob("*.png"))
    assert (
        np.mean([said.predicted == [file.parent.name] for file, said in zip(files, run.predict(files), strict=True)])
        >= 0.8
    )
    return run


@pytest.mark.parametrize(("precision", "difference"), [("fp16", 1e-2), ("int8", 2e-1)])
def test_smaller_graphs_decide_as_the_trained_model_does(learnt, image_folder, precision, difference):
    files = sorted(image_folder.rglob("*.png"))
    said = export(learnt.path, "onnx", precision=precision)
    assert said.agreement.source == "the run's validation"
    ours, onnx = learnt.predict(files), open_run(learnt.path, runtime="onnx").predict(files)
    assert np.mean([a.predicted == b.predicted for a, b in zip(ours, onnx, strict=True)]) >= 0.95
    for a, b in zip(ours, onnx, strict=True):
        assert b.probabilities == pytest.approx(a.probabilities, abs=difference)


def test_a_graph_that_differs_too_much_is_refused_with_its_numbers_and_the_earlier_one_stays(exported, monkeypatch):
    run = exported
    before = (run.path / "export" / "onnx" / "model.onnx").read_bytes()
    monkeypatch.setitem(onnx_graph.LIMITS, "int8", onnx_graph.Limits(1e-9, 1.0))
    with pytest.raises(CheckpointError, match=r"int8 graph is not accepted: .* images .*difference of a probability"):
        export(run.path, "onnx", precision="int8")
    assert (run.path / "export" / "onnx" / "model.onnx").read_bytes() == before
    assert [path.name for path in (run.path / "export").iterdir()] == ["onnx"]


def test_a_run_that_was_tuned_after_its_export_asks_for_a_new_one(make_run, photos):
    run = make_run("vit", "multiclass")
    with pytest.raises(RunFolderError, match=r"was not exported; write it by deit-finetune export .* --to onnx"):
        open_run(run.path, runtime="onnx")
    export(run.path, "onnx")
    write_decision(run.model, Decision((2.0,)), open_run(run.path).predictor.labels, {})
    with pytest.raises(RunFolderError, match="was tuned after it was exported"):
        open_run(run.path, runtime="onnx").predict(photos)


@pytest.mark.parametrize(
    ("choice", "message"),
    [({"precision": "bf16"}, "computes in fp32, as it was exported"), ({"flip": True}, "was exported without it")],
)
def test_what_the_graph_cannot_do_is_refused(exported, photos, choice, message):
    with pytest.raises(CheckpointError, match=message):
        open_run(exported.path, runtime="onnx").predict(photos, **choice)


def test_a_damaged_export_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no model\.json; write it by deit-finetune export"):
        OnnxPredictor(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"model\.json: cannot be read \(KeyError: 'labels'\)"):
        OnnxPredictor(tmp_path)


def test_the_command_line_exports_and_predicts_with_the_graph(make_run, photos, command):
    run = make_run("vit", "multiclass")
    done = command("export", str(run.path), "--to", "onnx")
    assert done.returncode == 0, done.stderr
    assert "model.onnx (fp32, " in done.stdout
    assert "largest difference of a probability" in done.stdout
    predicted = command("predict", str(run.path), str(photos[0]), "--runtime", "onnx")
    assert predicted.returncode == 0, predicted.stderr
    (expected,) = open_run(run.path).predict(photos[0])
    assert json.loads(predicted.stdout)["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)


def test_an_option_of_another_target_is_refused(make_run):
    with pytest.raises(FinetuneError, match="repo: has no meaning for an export to onnx; its options are precision"):
        open_run(make_run("vit", "multiclass").path).export("onnx", repo="me/photos")
