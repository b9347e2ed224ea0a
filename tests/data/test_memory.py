from finetune.data import memory


def test_free_memory_is_some_and_less_than_the_machine_could_have():
    assert 2**20 < memory.free_memory_bytes() < 2**50


def test_a_container_with_less_sets_the_limit(tmp_path, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    limit.write_text("1000000\n")
    used.write_text("400000\n")
    monkeypatch.setattr(memory, "_CGROUPS", ((str(limit), str(used)),))
    assert memory.free_memory_bytes() == 600_000


def test_a_container_without_a_limit_does_not_count(tmp_path, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    limit.write_text("max\n")
    used.write_text("400000\n")
    monkeypatch.setattr(memory, "_machine", lambda: 77)
    monkeypatch.setattr(memory, "_CGROUPS", ((str(limit), str(used)), ("/none", "/none")))
    assert memory.free_memory_bytes() == 77
