"""Gradual unfreezing: which parameters move in which epoch."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import TrainerCallback


class MovedByEpoch(TrainerCallback):
    """Names of the parts that moved, for each epoch."""

    def __init__(self):
        self.epochs, self._before = [], None

    def on_epoch_begin(self, args, state, control, **kwargs):
        self._before = copy.deepcopy(kwargs["model"].state_dict())

    def on_epoch_end(self, args, state, control, **kwargs):
        now = kwargs["model"].state_dict()
        moved = [name for name in now if not torch.equal(now[name], self._before[name])]
        self.epochs.append({part(name) for name in moved})


def part(name):
    for piece in ("embeddings", "layers.0", "layers.1", "layernorm"):
        if f".{piece}." in name:
            return piece
    return "head"


@pytest.fixture
def unfreezing(recipe_for):
    def make(every=1.0, **overrides):
        # 18 training images: 3 steps an epoch
        plain = {"optim.unfreeze_every_epochs": every, "optim.epochs": 4, "optim.batch_size": 6}
        return recipe_for(**{**plain, "evaluate.every": "never", **overrides})

    return make


def test_the_head_learns_first_and_every_epoch_one_block_more(unfreezing, trainer_for, task_overrides, each_checkpoint):
    seen = MovedByEpoch()
    trainer_for(unfreezing(**task_overrides, **each_checkpoint), seen).train()
    assert seen.epochs == [
        {"head"},
        {"head", "layernorm", "layers.1"},
        {"head", "layernorm", "layers.1", "layers.0"},
        {"head", "layernorm", "layers.1", "layers.0", "embeddings"},
    ]


def test_a_span_may_be_a_part_of_an_epoch(unfreezing, trainer_for):
    seen = MovedByEpoch()
    trainer_for(unfreezing(every=2 / 3, **{"optim.epochs": 2}), seen).train()  # after 2, 4 and 6 steps
    assert seen.epochs == [
        {"head", "layernorm", "layers.1"},
        {"head", "layernorm", "layers.1", "layers.0"},
    ]


def test_accumulation_does_not_change_when_a_block_joins(unfreezing, trainer_for):
    seen = MovedByEpoch()
    trainer_for(unfreezing(**{"optim.accumulation_steps": 3, "optim.epochs": 2}), seen).train()
    assert seen.epochs == [{"head"}, {"head", "layernorm", "layers.1"}]


@pytest.mark.parametrize("step", [2, 5])
def test_a_resumed_run_ends_at_the_same_bits(unfreezing, twice, step):
    whole, rest = twice(unfreezing(**{"evaluate.every": "epoch"}), step)
    expected = whole.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in rest.model.state_dict().items())


def test_with_recomputed_activations_the_same_is_learnt(unfreezing, trainer_for):
    ends = []
    for recompute in (False, True):
        trainer = trainer_for(unfreezing(**{"model.activation_checkpointing": recompute, "optim.epochs": 2}))
        trainer.train()
        ends.append(trainer.model.state_dict())
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())
