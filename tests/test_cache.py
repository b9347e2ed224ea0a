import pytest

from finetune.cache import cache_dir
from finetune.errors import FinetuneError


def test_the_cache_is_where_its_own_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(tmp_path / "own"))
    assert cache_dir("a", "b") == tmp_path / "own" / "a" / "b"
    assert (tmp_path / "own" / "a" / "b").is_dir()


def test_else_it_is_below_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DEIT_FINETUNE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "deit-finetune"


def test_else_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DEIT_FINETUNE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "deit-finetune"


def test_a_relative_folder_starts_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", "here")
    assert cache_dir() == tmp_path / "here"


def test_a_folder_that_cannot_be_made_says_what_to_set(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        FinetuneError, match=r"the cache folder .*/file/x cannot be made \(.*\); set the environment var"
    ):
        cache_dir("x")
