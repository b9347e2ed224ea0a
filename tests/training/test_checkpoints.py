from __future__ import annotations

from pathlib import Path

import pytest

from finetune.training.checkpoints import MARKER, is_complete, last_complete, mark_complete


def checkpoint(folder: Path, step: int) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "model.safetensors").write_bytes(b"weights")
    (path / "optimizer.pt").write_bytes(b"moments")
    mark_complete(path)
    return path


def test_the_newest_checkpoint_is_chosen_by_step_and_not_by_name(tmp_path):
    checkpoint(tmp_path, 9)
    newest = checkpoint(tmp_path, 10)
    assert last_complete(tmp_path) == (newest, [])


@pytest.mark.parametrize("damage", ["no marker", "torn marker", "missing file", "short file"])
def test_a_checkpoint_that_was_not_written_to_its_end_is_skipped(tmp_path, damage):
    whole, torn = checkpoint(tmp_path, 4), checkpoint(tmp_path, 8)
    if damage == "no marker":
        (torn / MARKER).unlink()
    elif damage == "torn marker":
        (torn / MARKER).write_text('{"model.saf')
    elif damage == "missing file":
        (torn / "optimizer.pt").unlink()
    else:
        (torn / "optimizer.pt").write_bytes(b"mom")
    assert not is_complete(torn)
    assert last_complete(tmp_path) == (whole, [torn])


def test_without_a_whole_checkpoint_there_is_none(tmp_path):
    (tmp_path / "checkpoint-3").mkdir()
    assert last_complete(tmp_path) == (None, [tmp_path / "checkpoint-3"])
