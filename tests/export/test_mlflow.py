"""A run as an MLflow model: opened by MLflow, without this project, and served, it says what the run says."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import mlflow
import pandas
import pytest
from transformers import pipeline

from finetune.api import open_run
from finetune.errors import CheckpointError, FinetuneError, HardwareError
from finetune.export import mlflow_folder
from finetune.export.agreement import Limits
from finetune.model.decision import Decision, write_decision

BESIDE_THE_CODE = {
    "MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "input_example.json", "serving_input_example.json",
    "data/model/config.json", "data/model/model.safetensors", "data/model/preprocessor_config.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(make_run):
    """A multi-label run that was exported; it is not to be changed."""
    run = open_run(make_run("vit", "multilabel").path)
    run.export("mlflow")
    return run


@pytest.fixture
def opened(monkeypatch):
    """``opened(run)``: what MLflow makes of a run's export."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # MLflow adds to it
    return lambda run: mlflow.pyfunc.load_model(str(run.path / "export" / "mlflow"), model_config={"device": "cpu"})


def in_base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def table(*texts: Any) -> pandas.DataFrame:
    return pandas.DataFrame({"image": texts})


def scores(entries: list[dict[str, Any]]) -> dict[str, float]:
    return {entry["label"]: entry["score"] for entry in entries}


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("kind", ["vit", "distilled"])
def test_run_predict_mlflow_and_transformers_pipeline_agree_on_every_sort_of_file(make_run, photos, opened, kind, task):
    run = open_run(make_run(kind, task).path)
    assert run.export("mlflow").agreement.largest_difference <= 1e-5
    answers = opened(run).predict(table(*map(in_base64, photos)))
    theirs = pipeline("image-classification", model=str(run.folder.model), device="cpu")(list(map(str, photos)))
    for ours, answer, rows in zip(run.predict(photos), answers, theirs, strict=True):
        assert list(scores(answer)) == list(ours.probabilities)
        assert scores(answer) == pytest.approx(ours.probabilities, abs=1e-5)
        assert scores(answer) == pytest.approx(scores(rows), abs=1e-5)


def test_temperatures_mirror_images_and_tuned_thresholds_are_those_of_the_run(make_run, photos, opened):
    folder = make_run("vit", "multilabel", flip=True)
    plain = open_run(folder.path).predict(photos)
    write_decision(folder.model, Decision((2.0, 0.5, 1.5), (0.9, 0.1, 0.99)), open_run(folder.path).labels, {})
    run = open_run(folder.path)
    run.export("mlflow")
    model, ours = opened(run), run.predict(photos)
    assert [one.predicted for one in ours] != [one.predicted for one in plain]
    for one, answer in zip(ours, model.predict(table(*map(in_base64, photos))), strict=True):
        assert scores(answer) == pytest.approx(one.probabilities, abs=1e-5)
    assert [one.predicted for one in model.get_raw_model().predict(photos)] == [one.predicted for one in ours]


def test_what_cannot_be_read_is_an_error_at_its_place_and_no_path_or_address_is_opened(
    exported, photos, opened, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("four").write_bytes(photos[0].read_bytes())  # the name is base64, too
    bad = {
        "four": "not an image",
        str(photos[0]): "is no base64",
        photos[0].as_uri(): "is no base64",
        "http://127.0.0.1:9/can.jpg": "is no base64",
        in_base64(photos[0])[:400]: "truncated",
        "data:text/plain,hello": r"a data: URL that is not ;base64",
        "": "is empty",
        None: "is no string",
    }
    good = f"data:image/jpeg;base64,{in_base64(photos[0])}"
    first, *answers, last = opened(exported).predict(table(good, *bad, good))
    assert first == last
    assert scores(first) == pytest.approx(exported.predict(photos[0])[0].probabilities, abs=1e-5)
    for answer, words in zip(answers, bad.values(), strict=True):
        assert list(answer) == ["error"]
        assert re.match(words, answer["error"])


def test_the_signature_is_the_cards_and_true_of_each_images_answer(exported, photos, opened):
    model = opened(exported)
    signature = model.metadata.signature
    assert [(column.name, column.type.name) for column in signature.inputs] == [("image", "string")]
    assert [(column.name, column.type.name) for column in signature.outputs] == [
        ("label", "string"),
        ("score", "double"),
    ]
    for answer in model.predict(table(*map(in_base64, photos))):
        found = mlflow.models.infer_signature(table(in_base64(photos[0])), pandas.DataFrame(answer))
        assert (found.inputs, found.outputs) == (signature.inputs, signature.outputs)
    assert len(signature.outputs.pandas_types()) == 2  # Azure's scoring script asks for them, and ends where it cannot
    assert len(model.predict(model.input_example)[0]) == 3


def test_azures_table_is_answered_as_the_card_has_it(exported, photos, opened):
    images = [in_base64(path) for path in photos[:2]]
    request = {"input_data": {"columns": ["image"], "index": [0, 1], "data": images}}
    # what Azure's scoring script makes of it
    frame = pandas.read_json(io.StringIO(json.dumps(request["input_data"])), orient="split", dtype=False)
    answers = json.loads(json.dumps(opened(exported).predict(frame)))
    assert [list(entry) for entry in answers[0]] == [["label", "score"]] * 3
    for answer, ours in zip(answers, exported.predict(photos[:2]), strict=True):
        assert scores(answer) == pytest.approx(ours.probabilities, abs=1e-5)


def test_an_empty_table_has_an_empty_answer(exported, opened):
    assert opened(exported).predict(table().astype(str)) == []


def test_the_folder_holds_safetensors_text_and_python_and_nothing_of_this_machine(exported):
    folder = exported.path / "export" / "mlflow"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    code = {name for name in files if name.startswith("code/")}
    assert files - code == BESIDE_THE_CODE
    assert {Path(name).suffix for name in code} - {".pyc"} == {".py"}  # .pyc: it was opened
    for name in BESIDE_THE_CODE - {"data/model/model.safetensors"}:
        text = (folder / name).read_text()
        assert str(exported.path.parent) not in text
        assert str(Path.cwd()) not in text
        assert "pickle" not in text
    assert not re.search(r"[/+]", (folder / "requirements.txt").read_text())


OPEN_ALONE = """
import builtins, json, sys
folder, texts = sys.argv[1], json.loads(sys.argv[2])
imported, original = set(), builtins.__import__
def note(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and (globals or {}).get("__name__", "").partition(".")[0] == "finetune":
        imported.add(name.partition(".")[0])
    return original(name, globals, locals, fromlist, level)
builtins.__import__ = note
import mlflow, pandas
answers = mlflow.pyfunc.load_model(folder).predict(pandas.DataFrame({"image": texts}))
import finetune
ours = imported - set(sys.stdlib_module_names) - {"finetune"}
print(json.dumps({"answers": answers, "file": finetune.__file__, "imported": sorted(ours)}))
"""


@pytest.fixture(scope="module")
def alone(exported, photos, tmp_path_factory) -> dict[str, Any]:
    """What a process says that knows no more of this project than the export."""
    folder, texts = str(exported.path / "export" / "mlflow"), json.dumps([in_base64(path) for path in photos])
    done = subprocess.run(
        [sys.executable, "-I", "-c", OPEN_ALONE, folder, texts],
        cwd=tmp_path_factory.mktemp("elsewhere"), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_export_brings_the_code_that_predicts(exported, photos, alone):
    assert Path(alone["file"]) == exported.path / "export" / "mlflow" / "code" / "finetune" / "__init__.py"
    for answer, ours in zip(alone["answers"], exported.predict(photos), strict=True):
        assert scores(answer) == pytest.approx(ours.probabilities, abs=1e-5)


def test_the_requirements_are_what_predicting_imports(exported, alone):
    text = (exported.path / "export" / "mlflow" / "requirements.txt").read_text()
    pinned = {line.partition("==")[0].casefold() for line in text.splitlines() if re.search(r"==\d", line)}
    distributions = {name.casefold() for module in alone["imported"] for name in packages_distributions()[module]}
    brought_by_pydantic = {"annotated-types", "pydantic_core"}
    # transformers needs safetensors, and MLflow opens the model
    assert distributions - brought_by_pydantic | {"safetensors", "mlflow"} == pinned


@contextmanager
def served(folder: Path, cwd: Path) -> Iterator[str]:
    """The address of a real ``mlflow models serve``, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    call = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder), "-p", str(port)]
    with (cwd / "log").open("wb") as log:
        server = subprocess.Popen(
            [*call, "--env-manager", "local"],
            env=environment, cwd=cwd, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + 240
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert server.poll() is None, (cwd / "log").read_text()
            assert time.monotonic() < until, (cwd / "log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except (urllib.error.URLError, OSError):
        return False


def ask(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def test_mlflow_serves_it_and_answers_each_form_of_request_with_the_runs_probabilities(exported, photos, tmp_path):
    images = [in_base64(path) for path in photos]
    bodies = [
        {"inputs": images},
        {"dataframe_split": {"columns": ["image"], "data": [[image] for image in images]}},
        {"dataframe_records": [{"image": image} for image in images]},
    ]
    with served(exported.path / "export" / "mlflow", tmp_path) as url:
        said = [ask(url, body) for body in bodies]
        beside = ask(url, {"inputs": [images[0], str(photos[0])]})["predictions"]
    for one in said:
        assert list(one) == ["predictions"]
        for answer, ours in zip(one["predictions"], exported.predict(photos), strict=True):
            assert scores(answer) == pytest.approx(ours.probabilities, abs=1e-5)
    assert beside[0] == said[0]["predictions"][0]
    assert beside[1]["error"].startswith("is no base64")
    assert {path.name for path in tmp_path.iterdir()} == {"log"}


def test_the_command_line_exports_and_leaves_the_working_directory_alone(make_run, command, tmp_path):
    run = make_run("distilled", "multiclass")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'private'\n")
    (tmp_path / "uv.lock").write_text("")
    done = command("export", str(run.path), "--to", "mlflow", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"export/mlflow \(\d+\.\d MB\)\nagainst .* on 32 images .*: largest difference", done.stdout)
    assert done.stderr == ""
    assert {path.name for path in tmp_path.iterdir()} == {"pyproject.toml", "uv.lock"}
    assert {path.name for path in (run.path / "export").iterdir()} == {"mlflow"}
    assert not (run.path / "export" / "mlflow" / "uv.lock").exists()


def test_an_export_from_python_leaves_the_process_as_it_was(make_run):
    environment, module_path = dict(os.environ), list(sys.path)
    open_run(make_run("vit", "multiclass").path).export("mlflow")
    assert (dict(os.environ), sys.path) == (environment, module_path)


def test_a_model_that_differs_is_refused_with_its_numbers_and_the_earlier_one_stays(make_run, monkeypatch):
    run = open_run(make_run("vit", "multiclass").path)
    run.export("mlflow")
    before = (run.path / "export" / "mlflow" / "MLmodel").read_bytes()
    monkeypatch.setattr(mlflow_folder, "LIMITS", Limits(-1.0, 1.0))
    with pytest.raises(CheckpointError, match=r"the MLflow model is not accepted: .*largest difference of a probab"):
        run.export("mlflow")
    assert (run.path / "export" / "mlflow" / "MLmodel").read_bytes() == before
    assert [path.name for path in (run.path / "export").iterdir()] == ["mlflow"]


def test_options_of_another_target_and_a_missing_package_are_refused(exported, monkeypatch):
    with pytest.raises(FinetuneError, match="precision: has no meaning for an export to mlflow; it has no options"):
        exported.export("mlflow", precision="fp16")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(HardwareError, match=r"mlflow not installed; pip install 'deit-finetune\[mlflow\]'"):
        exported.export("mlflow")
