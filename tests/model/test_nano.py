"""``bundled:deit-nano``: a real checkpoint, drawn once and the same for everyone."""

from __future__ import annotations

import pytest
import torch

from finetune.errors import CheckpointError
from finetune.model import open_saved
from finetune.model.nano import bundled_checkpoint, draw_nano


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(tmp_path))
    return tmp_path


def test_it_is_a_vit_of_1_4_million_parameters_with_1000_classes(cache):
    loaded = open_saved(bundled_checkpoint("deit-nano"))
    assert type(loaded.model).__name__ == "ViTForImageClassification"
    assert 1_300_000 < sum(parameter.numel() for parameter in loaded.model.parameters()) < 1_500_000
    assert (len(loaded.labels), loaded.labels.names[7]) == (1000, "class_007")
    assert (loaded.pixels.size_px, loaded.pixels.resize) == (64, "squash")
    with torch.no_grad():
        assert loaded.model(pixel_values=torch.zeros(2, 3, 64, 64)).logits.isfinite().all()


def test_drawing_it_again_gives_the_same_and_leaves_the_global_generator_as_it_is():
    torch.manual_seed(1)
    first = draw_nano().state_dict()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = draw_nano().state_dict()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_is_written_once(cache):
    folder = bundled_checkpoint("deit-nano")
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert bundled_checkpoint("deit-nano") == folder == cache / "bundled" / "deit-nano-v1"
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_of_processes_that_start_at_once_one_wins_and_the_others_leave_nothing_behind(cache, monkeypatch):
    folder = bundled_checkpoint("deit-nano")
    (folder / "written by").write_text("another process")
    folder.rename(cache / "elsewhere")

    def draw_while_another_process_finishes():
        (cache / "elsewhere").rename(folder)
        return draw_nano()

    monkeypatch.setattr("finetune.model.nano.draw_nano", draw_while_another_process_finishes)
    assert (bundled_checkpoint("deit-nano") / "written by").exists()
    assert [path.name for path in (cache / "bundled").iterdir()] == ["deit-nano-v1"]


def test_an_unknown_name_suggests_the_nearest(cache):
    with pytest.raises(CheckpointError, match=r"bundled:deit-nona: no such checkpoint; did you mean 'deit-nano'\?"):
        bundled_checkpoint("deit-nona")
