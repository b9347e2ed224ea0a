"""A run takes the place of the bundled checkpoint, if half precision is as good."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from finetune.errors import CheckpointError
from finetune.export import bundled
from finetune.model import open_saved, save_model


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The package's folder, with a card and nothing else."""
    (tmp_path / "README.md").write_text("the card")
    monkeypatch.setattr(bundled, "bundled_checkpoint", lambda name: tmp_path)
    return tmp_path


def test_the_weights_are_rounded_and_compared_and_the_card_stays(make_run, place, monkeypatch, capsys):
    run = make_run("vit", "multiclass")
    monkeypatch.setattr("sys.argv", ["bundled", str(run.path)])
    bundled.main()
    said = capsys.readouterr().out
    assert "against the run itself on 1000 images" in said
    assert f"revise {place / 'README.md'}" in said
    assert (place / "README.md").read_text() == "the card"
    assert {tensor.dtype for tensor in load_file(place / "model.safetensors").values()} == {torch.float16}
    weights = open_saved(run.model).model.state_dict()
    assert all(
        torch.equal(found, weights[name].half().float()) for name, found in open_saved(place).model.state_dict().items()
    )


def test_a_model_whose_classes_differ_by_less_than_half_precision_can_say_is_refused(make_run, place):
    run = make_run("vit", "multiclass")
    loaded = open_saved(run.model)
    with torch.no_grad():
        weight = loaded.model.classifier.weight
        weight.copy_(1 + torch.randn_like(weight) * 1e-5)
        loaded.model.classifier.bias.zero_()
    save_model(loaded.model, loaded.pixels, run.model)
    with pytest.raises(CheckpointError, match=r"model in half precision is not accepted: .* decisions the same"):
        bundled.bundle(run)
    assert [file.name for file in place.iterdir()] == ["README.md"]
