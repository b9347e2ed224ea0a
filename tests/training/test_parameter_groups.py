"""Layer-wise decay of the learning rate, and the head's own."""

from __future__ import annotations

import pytest
import torch

from finetune.errors import CheckpointError
from finetune.training.assembly import layer_decay, load
from finetune.training.parameter_groups import rate_factors


def rates(trainer):
    """Learning rate and weight decay by parameter."""
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in trainer.create_optimizer().param_groups
        for parameter in group["params"]
    }


def test_each_block_learns_at_a_multiple_of_the_rate_of_the_block_above(recipe_for, trainer_for, tiny_distilled):
    overrides = {"optim.layer_decay": 0.5, "optim.head_multiplier": 10.0, "optim.weight_decay": 0.1}
    found = rates(trainer_for(recipe_for(**overrides, **{"model.checkpoint": str(tiny_distilled)})))
    lr = 1e-3
    assert found["cls_classifier.weight"] == found["distillation_classifier.weight"] == (10 * lr, 0.1)
    assert found["cls_classifier.bias"] == (10 * lr, 0.0)
    assert found["deit.layernorm.weight"] == (lr, 0.0)
    assert found["deit.layers.1.mlp.fc1.weight"] == (0.5 * lr, 0.1)
    assert found["deit.layers.0.attention.q_proj.bias"] == (0.25 * lr, 0.0)
    assert found["deit.embeddings.patch_embeddings.projection.weight"] == (0.125 * lr, 0.1)
    assert found["deit.embeddings.position_embeddings"] == (0.125 * lr, 0.0)


def test_every_parameter_is_in_one_group(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**{"optim.layer_decay": 0.5}))
    held = [parameter for group in trainer.create_optimizer().param_groups for parameter in group["params"]]
    assert sorted(map(id, held)) == sorted(map(id, trainer.model.parameters()))


def test_without_either_key_the_optimiser_has_the_trainers_two_groups(recipe_for, trainer_for):
    optimizer = trainer_for(recipe_for()).create_optimizer()
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 1e-3]


def test_the_schedule_moves_all_rates_alike_and_the_full_one_is_logged(recipe_for, trainer_for):
    overrides = {"optim.layer_decay": 0.5, "optim.head_multiplier": 3.0, "optim.schedule": "linear"}
    trainer = trainer_for(recipe_for(**overrides, **{"run.log_every_steps": 1}))
    trainer.train()
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    steps = len(logged)
    assert logged == pytest.approx([1e-3 * (1 - step / steps) for step in range(steps)])
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.0}


def test_lower_blocks_move_less(recipe_for, trainer_for, task_overrides):
    moved = {}
    for decay in (0.1, 1.0):
        sgd = {"optim.optimizer": "sgd", "optim.momentum": 0.0, "optim.max_grad_norm": 0.0, "optim.max_steps": 1}
        trainer = trainer_for(recipe_for(**task_overrides, **sgd, **{"optim.layer_decay": decay}))
        name = "vit.layers.0.mlp.fc2.weight"
        before = trainer.model.get_parameter(name).detach().clone()
        trainer.train()
        moved[decay] = (trainer.model.get_parameter(name).detach() - before).norm()
    assert (moved[0.1] / moved[1.0]).item() == pytest.approx(0.1**2, rel=1e-3)


def test_the_heads_of_a_model_with_adapters_have_their_multiple(recipe_for, trainer_for):
    found = rates(trainer_for(recipe_for(**{"model.train": "lora", "optim.head_multiplier": 10.0})))
    heads = {name for name, (lr, _) in found.items() if lr == pytest.approx(1e-2)}
    assert {name.rpartition(".")[2] for name in heads} == {"weight", "bias"}
    assert all("classifier" in name for name in heads)
    assert len(found) == len(heads) + 8


def test_a_resumed_run_ends_at_the_same_bits(recipe_for, twice):
    overrides = {"optim.layer_decay": 0.5, "optim.head_multiplier": 3.0, "optim.batch_size": 6}
    whole, rest = twice(recipe_for(**overrides), step=2)
    expected = whole.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in rest.model.state_dict().items())


def test_a_decay_that_the_preset_chose_is_dropped_where_there_are_no_blocks(monkeypatch, recipe_for, work_for):
    work = work_for(recipe_for(**{"optim.preset": "auto"}))
    assert layer_decay(work, load(work).model) == 0.75
    assert layer_decay(work, torch.nn.Linear(2, 2)) == 1.0


def test_a_decay_that_the_recipe_asks_for_needs_blocks(recipe_for, work_for):
    work = work_for(recipe_for(**{"optim.layer_decay": 0.5}))
    assert layer_decay(work, torch.nn.Linear(2, 2)) == 0.5
    from transformers import PvtConfig, PvtForImageClassification

    pvt = PvtForImageClassification(PvtConfig(hidden_sizes=[8] * 4, depths=[1] * 4, num_attention_heads=[1] * 4))
    with pytest.raises(CheckpointError, match=r"optim\.layer_decay: PvtForImageClassification has no single row"):
        rate_factors(pvt, 0.5, 1.0)
