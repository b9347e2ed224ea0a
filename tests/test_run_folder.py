"""The run folder: made once, never overwritten unasked, written whole, read back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import RunFolderError
from finetune.run_folder import RunFolder
from finetune.run_folder.json_files import read_json, read_json_lines, write_json_lines


def finished(run: RunFolder) -> RunFolder:
    """The run with all that `RunFolder.open` asks for."""
    run.model.mkdir()
    (run.model / "config.json").write_text("{}")
    run.update_record({"status": "finished"})
    return run


# ---------------------------------------------------------------- making


def test_a_new_run_is_running_and_its_parts_lie_below_it(tmp_path):
    run = RunFolder.create(tmp_path / "runs", "fridge")
    assert run.path == tmp_path / "runs" / "fridge"
    assert run.status == "running"
    assert {part.name for part in (run.model, run.recipe, run.metrics, run.history, run.predictions)} == {
        "model",
        "recipe.yaml",
        "metrics.json",
        "history.jsonl",
        "predictions.jsonl",
    }
    assert {run.checkpoints.name, run.tensorboard.name, run.record.name} == {
        "checkpoints",
        "tensorboard",
        "record.json",
    }


def test_a_run_is_never_overwritten_unasked_but_numbered(tmp_path):
    names = [RunFolder.create(tmp_path, "fridge").path.name for _ in range(3)]
    assert names == ["fridge", "fridge-2", "fridge-3"]


def test_a_file_of_that_name_is_left_alone(tmp_path):
    (tmp_path / "fridge").write_text("mine")
    assert RunFolder.create(tmp_path, "fridge").path.name == "fridge-2"
    assert (tmp_path / "fridge").read_text() == "mine"


def test_no_two_callers_get_the_same_folder(tmp_path):
    runs: list[RunFolder] = []
    threads = [
        threading.Thread(target=lambda: runs.append(RunFolder.create(tmp_path, "a"))) for _ in range(8)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.path for run in runs}) == 8


def test_overwrite_replaces_a_run(tmp_path):
    finished(RunFolder.create(tmp_path, "fridge"))
    again = RunFolder.create(tmp_path, "fridge", overwrite=True)
    assert again.path.name == "fridge"
    assert not again.model.exists()
    assert os.listdir(tmp_path) == ["fridge"]


def test_overwrite_spares_a_folder_that_is_no_run_although_a_recipe_lies_in_it(tmp_path):
    photos = tmp_path / "pets"
    photos.mkdir()
    (photos / "recipe.yaml").write_text("task: multiclass")
    with pytest.raises(RunFolderError, match=r"pets: --overwrite replaces run folders only, and this is none"):
        RunFolder.create(tmp_path, "pets", overwrite=True)
    assert (photos / "recipe.yaml").exists()


def test_overwrite_spares_what_a_link_points_to(tmp_path):
    run = RunFolder.create(tmp_path, "elsewhere")
    (tmp_path / "fridge").symlink_to(run.path)
    with pytest.raises(RunFolderError, match="replaces run folders only"):
        RunFolder.create(tmp_path, "fridge", overwrite=True)
    assert run.record.exists()


@pytest.mark.parametrize("name", ["", "  ", "..", "a/b", "a\\b"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path, name):
    with pytest.raises(RunFolderError, match=r"is not the name of a folder; a path before it goes into run\.root"):
        RunFolder.create(tmp_path, name)


def test_a_root_that_cannot_hold_runs_is_said(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RunFolderError, match=r"runs/fridge: the run folder cannot be made: .*; set run\.root"):
        RunFolder.create(tmp_path / "runs", "fridge")


def test_a_run_that_came_to_nothing_leaves_its_name_free(tmp_path):
    RunFolder.create(tmp_path, "fridge").discard()
    assert RunFolder.create(tmp_path, "fridge").path.name == "fridge"


def test_a_path_is_shown_from_the_working_directory_and_survives_its_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create("runs", "fridge")
    assert str(run) == "runs/fridge"
    monkeypatch.chdir("/")
    assert run.read_record()["status"] == "running"


# ---------------------------------------------------------------- resuming


def test_the_newest_run_that_did_not_finish_is_resumed(tmp_path):
    for status in ("interrupted", "running", "finished"):
        RunFolder.create(tmp_path, "fridge").update_record({"status": status})
    assert RunFolder.find_interrupted(tmp_path, "fridge").path.name == "fridge-2"


def test_runs_of_another_name_are_not_resumed(tmp_path):
    RunFolder.create(tmp_path, "fridge_multilabel").update_record({"status": "interrupted"})
    finished(RunFolder.create(tmp_path, "fridge"))
    with pytest.raises(
        RunFolderError, match=r"no interrupted run to resume \(fridge is finished\); leave out --resume"
    ):
        RunFolder.find_interrupted(tmp_path, "fridge")


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(RunFolderError, match=r"runs/fridge: no interrupted run to resume \(there is no such run\)"):
        RunFolder.find_interrupted(tmp_path / "runs", "fridge")


@pytest.fixture
def training(tmp_path):
    """Another process that has made the run ``fridge`` and is at work on it."""
    program = (
        "import sys, time; from finetune.run_folder import RunFolder; RunFolder.create(sys.argv[1], 'fridge'); "
        "print('made', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        yield process
        process.kill()


def test_a_run_that_is_still_training_is_neither_resumed_nor_overwritten(tmp_path, training):
    still = rf"fridge: process {training.pid} on .* is still training this run"
    with pytest.raises(RunFolderError, match=still):
        RunFolder.find_interrupted(tmp_path, "fridge")
    with pytest.raises(RunFolderError, match=still):
        RunFolder.create(tmp_path, "fridge", overwrite=True)


def test_a_killed_run_is_resumed_at_once(tmp_path, training):
    training.send_signal(signal.SIGKILL)
    training.wait()
    assert RunFolder.find_interrupted(tmp_path, "fridge").status == "running"


def test_a_run_that_this_process_gave_up_can_be_resumed_by_another(tmp_path):
    RunFolder.create(tmp_path, "fridge").update_record({"status": "interrupted"})
    program = (
        "import sys; from finetune.run_folder import RunFolder; print(RunFolder.find_interrupted(*sys.argv[1:]).path)"
    )
    call = [sys.executable, "-c", program, str(tmp_path), "fridge"]
    assert subprocess.run(call, check=True, capture_output=True, text=True).stdout == f"{tmp_path / 'fridge'}\n"


# ---------------------------------------------------------------- opening


def test_a_finished_run_opens(tmp_path):
    run = finished(RunFolder.create(tmp_path, "fridge"))
    assert RunFolder.open(run.path) == run


def test_a_run_that_is_not_there_is_named_and_the_nearest_suggested(tmp_path):
    RunFolder.create(tmp_path, "fridge_multiclass")
    with pytest.raises(RunFolderError, match=r"there is no such run folder; did you mean 'fridge_multiclass'\?"):
        RunFolder.open(tmp_path / "fridge_multiclas")


def test_the_folder_above_runs_is_answered_with_their_names(tmp_path):
    RunFolder.create(tmp_path, "a")
    RunFolder.create(tmp_path, "b")
    with pytest.raises(RunFolderError, match=r"holds run folders \(a, b\) but is none; name one of them"):
        RunFolder.open(tmp_path)


def test_the_model_folder_is_answered_with_its_run(tmp_path):
    run = finished(RunFolder.create(tmp_path, "a"))
    with pytest.raises(RunFolderError, match=r"is not a run folder, .*; its run folder is .*/a"):
        RunFolder.open(run.model)


def test_a_file_is_no_run_folder(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    with pytest.raises(RunFolderError, match=r"record\.json: is a file, not a run folder"):
        RunFolder.open(run.record)


def test_a_run_without_a_model_opens_only_when_that_is_asked_for(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.update_record({"status": "interrupted"})
    with pytest.raises(RunFolderError, match=r"no model yet \(it is interrupted\); go on with it by --resume"):
        RunFolder.open(run.path)
    assert RunFolder.open(run.path, unfinished=True) == run


@pytest.mark.parametrize("part", ["metrics", "recipe", "predictions"])
def test_a_missing_part_is_named(tmp_path, part):
    run = RunFolder.create(tmp_path, "a")
    with pytest.raises(RunFolderError, match=rf"a: this run has no {getattr(run, part).name}"):
        getattr(run, f"read_{part}")()


# ---------------------------------------------------------------- writing and reading


def test_a_record_keeps_earlier_fields_in_their_order(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.update_record({"versions": {"torch": "2"}})
    run.update_record({"status": "finished", "seconds": 1.5})
    assert list(run.read_record()) == ["status", "created", "versions", "seconds"]
    assert run.status == "finished"


def test_numbers_that_are_not_finite_are_written_as_null(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.write_metrics({"validation": {"loss": float("nan"), "mAP": np.float32("inf"), "n": np.int64(3)}, "test": None})
    assert run.read_metrics() == {"validation": {"loss": None, "mAP": None, "n": 3}, "test": None}


def test_paths_arrays_and_tuples_become_plain_json(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.update_record({"root": Path("/data"), "counts": np.array([1, 2]), "size": (3, 4), 5: "five"})
    record = run.read_record()
    assert [record[key] for key in ("root", "counts", "size", "5")] == ["/data", [1, 2], [3, 4], "five"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.write_predictions([{"path": "1.jpg"}])

    def rows():
        yield {"path": "2.jpg"}
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.write_predictions(rows())
    assert list(run.read_predictions()) == [{"path": "1.jpg"}]
    assert sorted(os.listdir(run.path)) == [".claim", "predictions.jsonl", "record.json"]


def test_predictions_are_streamed_one_line_each(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.write_predictions({"path": f"{i}.jpg"} for i in range(3))
    assert run.predictions.read_text().splitlines() == [f'{{"path": "{i}.jpg"}}' for i in range(3)]


def test_names_are_readable_and_file_names_that_are_not_unicode_survive(tmp_path):
    path = os.fsdecode(b"/data/\xff.jpg")
    write_json_lines(tmp_path / "a.jsonl", [{"label": "Möhre", "path": path}, {"label": "Möhre"}])
    assert list(read_json_lines(tmp_path / "a.jsonl")) == [{"label": "Möhre", "path": path}, {"label": "Möhre"}]
    assert "Möhre" in (tmp_path / "a.jsonl").read_text(encoding="utf-8")


def test_a_written_file_can_be_read_by_colleagues(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    plain = tmp_path / "plain"
    plain.write_text("")
    assert run.record.stat().st_mode == plain.stat().st_mode


def test_history_grows_and_is_cut_back_to_the_step_that_is_resumed(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    assert run.read_history() == []
    for step in (5, 10, 15):
        run.append_history({"step": step, "loss": 1 / step})
    run.truncate_history(10)
    run.append_history({"step": 15, "loss": 0.5})
    assert [(line["step"], line["loss"]) for line in run.read_history()] == [(5, 0.2), (10, 0.1), (15, 0.5)]


def test_history_that_a_crash_cut_short_is_read_up_to_its_last_whole_line(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.append_history({"step": 5})
    with run.history.open("a") as file:
        file.write('{"step": 1')
    assert run.read_history() == [{"step": 5}]
    run.truncate_history(5)
    assert run.history.read_text() == '{"step": 5}\n'


def test_a_damaged_file_is_named(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.metrics.write_text("{")
    with pytest.raises(RunFolderError, match=r"metrics\.json: is not JSON .*; restore the file"):
        run.read_metrics()
    run.history.write_text('{"step": 1}\nnonsense\n')
    with pytest.raises(RunFolderError, match=r"history\.jsonl line 2: is not JSON"):
        run.read_history()


def test_json_that_another_reader_takes_is_what_is_written(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.append_history({"loss": float("-inf")})

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(run.history.read_text(), parse_constant=refuse) == {"loss": None}
    assert read_json(run.record)["status"] == "running"
