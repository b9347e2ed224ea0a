"""A bundled set is written when it is first used, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.data import bundled
from finetune.data.bundled import bundled_names, bundled_root
from finetune.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(tmp_path))
    return tmp_path


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones():
    with pytest.raises(DataError, match=r"bundled:fridge-object: .*did you mean 'fridge-objects'\?"):
        bundled_root("fridge-object")
    with pytest.raises(DataError, match=r"known: fridge-objects, multilabel-fridge-objects, digits, digits-multilabel"):
        bundled_root("cats")


def test_every_name_has_a_writer():
    assert bundled_names() == list(bundled._WRITERS)


def test_a_set_is_written_once_and_found_again(cache: Path, monkeypatch: pytest.MonkeyPatch):
    calls = []
    monkeypatch.setitem(bundled._WRITERS, "digits", lambda folder: calls.append((folder / "a").write_text("a")))
    assert bundled_root("digits") == bundled_root("digits") == cache / "bundled" / "digits-v1"
    assert len(calls) == 1
    assert [path.name for path in (cache / "bundled").iterdir()] == ["digits-v1"]


def test_a_writer_that_fails_leaves_nothing_behind(cache: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError("no space left")

    monkeypatch.setitem(bundled._WRITERS, "digits", fail)
    with pytest.raises(OSError, match="no space left"):
        bundled_root("digits")
    assert list((cache / "bundled").iterdir()) == []


def test_a_set_that_another_process_finished_first_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch):
    other = cache / "bundled" / "digits-v1"

    def overtaken(folder: Path) -> None:
        (folder / "mine").write_text("mine")
        other.mkdir()
        (other / "theirs").write_text("theirs")

    monkeypatch.setitem(bundled._WRITERS, "digits", overtaken)
    assert [path.name for path in bundled_root("digits").iterdir()] == ["theirs"]
    assert [path.name for path in other.parent.iterdir()] == ["digits-v1"]
