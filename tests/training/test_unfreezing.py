"""Gradual unfreezing: which parameters move in which epoch."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from transformers import TrainerCallback

from finetune.training.unfreezing import never_reached


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


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"optim.epochs": 4}, None),  # the first step of the fourth epoch moves the embeddings
        (
            {"optim.epochs": 3},
            "optim.unfreeze_every_epochs: found 1, but training ends after 3 epochs: what comes before the blocks "
            "never learns; write 0.75 to reach all",
        ),
        (
            {"optim.epochs": 2},
            "found 1, but training ends after 2 epochs: block 1 of 2 and what comes before it never learn; write 0.5",
        ),
        (
            {"optim.unfreeze_every_epochs": 5.0, "optim.max_steps": 5},
            "found 5, but training ends after 1.67 epochs: blocks 1 to 2 of 2 and what comes before them never learn; "
            "write 0.416 to reach all",
        ),
    ],
)
def test_what_never_learns_is_said_once_before_training_begins(unfreezing, capsys, overrides, words):
    from finetune.training import train

    train(unfreezing(**overrides))
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("never learn") == (words is not None)
    assert (words or "") in said


def test_the_span_that_is_named_reaches_all(unfreezing, trainer_for):
    for steps in range(2, 60):
        for steps_per_epoch in (1, 3, 7, 10):
            for blocks in (1, 2, 4, 12):
                named = re.search("write (.*) to reach", never_reached(9.0, steps, steps_per_epoch, blocks, 0))
                assert int((steps - 1) / (float(named[1]) * steps_per_epoch)) > blocks, (steps, steps_per_epoch, blocks)
    assert never_reached(9.0, 1, 3, 2, 0).endswith("leave it out to reach all")
    seen = MovedByEpoch()
    trainer_for(unfreezing(every=0.75, **{"optim.epochs": 3}), seen).train()
    assert "embeddings" in seen.epochs[-1]
