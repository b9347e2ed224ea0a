"""model.weights: random."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def drawn(checkpoint, load):
    folder = checkpoint("distilled")

    def make(**keys):
        return load(folder, weights="random", **keys)

    return make


def test_every_matrix_is_drawn_anew_from_the_run_seed(drawn, build):
    one, same, other = (drawn(seed=seed).model.state_dict() for seed in (1, 1, 2))
    old = build("distilled").state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    matrices = [name for name in one if one[name].ndim > 1]
    assert not any(torch.equal(one[name], other[name]) for name in matrices)
    assert not any(torch.equal(one[name], old[name]) for name in matrices if one[name].shape == old[name].shape)


def test_they_are_as_wide_as_deit_draws_them(drawn):
    weights = drawn().model.deit.layers[0].mlp.fc1.weight
    assert weights.std().item() == pytest.approx(0.02, rel=0.1)


def test_no_weights_have_to_be_there(checkpoint, load):
    folder = checkpoint("vit")
    (folder / "model.safetensors").unlink()
    assert load(folder, weights="random").source["weights"] == "random"


def test_positions_are_drawn_at_the_size_that_is_asked_for(drawn):
    table = drawn(image_size_px=64).model.deit.embeddings.position_embeddings
    assert table.shape == (1, 64 + 2, 32)
    assert table.std().item() == pytest.approx(0.02, rel=0.1)


def test_torchs_own_state_is_left_alone(drawn):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    drawn()
    state = torch.rand(1)
    assert torch.equal(state, expected)
