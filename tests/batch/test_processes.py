"""The real command: killed and started again, shared out over two processes, options from YAML."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from finetune.cli import INTERRUPTED, OK, main

COUNT, BAD, PART = 600, (7, 150, 599), 4


@pytest.fixture(scope="module")
def many(make_images, tmp_path_factory):
    """Six hundred small images, three of them bad."""
    return make_images(tmp_path_factory.mktemp("many") / "photos", COUNT, BAD)


def test_killed_half_way_and_started_again_it_is_complete_in_order_each_once(run, many, tmp_path, command):
    out, parts = tmp_path / "out.parquet", tmp_path / "out.parquet.parts"
    call = ["predict", str(run.path), str(many), "--out", str(out), "--part-images", str(PART)]
    process = subprocess.Popen([sys.executable, "-m", "finetune", *call])
    deadline = time.monotonic() + 120
    while len(list(parts.glob("0*.jsonl"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = len(list(parts.glob("0*.jsonl")))
    assert 5 <= done < COUNT / PART
    assert not out.exists()
    again = command(*call)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(
        f"{out}: {COUNT} images, {PART * done} of them done before, {len(BAD)} with an error;"
    )
    rows = pq.read_table(out).to_pylist()
    assert [row["path"] for row in rows] == [str(many / f"{i:04d}.png") for i in range(COUNT)]
    assert [i for i, row in enumerate(rows) if row["error"]] == list(BAD)
    run.predict_to(many, tmp_path / "whole.parquet", part_images=PART)
    assert pq.read_table(tmp_path / "whole.parquet").to_pylist() == rows
    assert not parts.exists()


def test_a_signal_stops_it_with_a_word_on_how_to_go_on(run, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("finetune.batch.write.answers", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    out, before = tmp_path / "out.csv", signal.getsignal(signal.SIGTERM)
    assert main(["predict", str(run.path), str(photos), "--out", str(out)]) == INTERRUPTED
    said = f"stopped; what was done is in {out}.parts; the same command goes on (without --overwrite)"
    assert said in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
    monkeypatch.undo()
    assert main(["predict", str(run.path), str(photos), "--out", str(out)]) == OK


def test_two_processes_write_the_file_of_one(run, many, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(port)]
    call = ["-m", "finetune", "predict", str(run.path), str(many), "--all-labels", "--part-images", "32"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    two = tmp_path / "two.csv"
    done = subprocess.run(
        [*launch, *call, "--out", str(two)], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if "images" in line] == [done.stdout.strip()]
    run.predict_to(many, tmp_path / "one.csv", all_labels=True, part_images=32)
    assert two.read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_options_stand_in_yaml_and_the_command_line_wins(run, photos, tmp_path, command):
    (tmp_path / "predict.yaml").write_text(
        f"run: {run.path}\ninputs: [photos]\nout: seen.csv\ntop_k: 1\npictures: null\n"
    )
    done = command("predict", "predict.yaml", "--top-k", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "seen.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "predicted", "score", "top_1", "top_1_score", "top_2", "top_2_score", "error"]
    assert len(rows) == 7
    (tmp_path / "predict.yaml").write_text("run: x\ninput: [photos]\ntop_k: 0\n")
    refused = command("predict", "predict.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "deit-finetune: predict.yaml: 3 faults",
        "  input: unknown key; did you mean inputs? (line 2)",
        "  top_k: found 0, expected a whole number of at least 1, or null (line 3)",
        "  inputs: missing; expected a list of texts",
    ]


def test_without_a_file_a_folder_is_answered_line_by_line_and_a_bad_image_by_its_error(run, photos, command):
    done = command("predict", str(run.path), str(photos), "--top-k", "1")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["path"] for line in lines] == [str(photos / f"000{i}.png") for i in range(7)]
    assert lines[2] == {"path": str(photos / "0002.png"), "error": "not an image (it begins with b'not an image')"}
    assert list(lines[0]) == ["path", "predicted", "probabilities"]
    assert [len(line["probabilities"]) for line in lines if "error" not in line] == [1] * 6
