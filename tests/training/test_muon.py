"""``optim.optimizer: muon``: matrices move by orthogonalised momentum, everything else by AdamW."""

from __future__ import annotations

import copy

import pytest
import torch

from finetune.training.muon import Muon, orthogonalised

MUON = {"optim.optimizer": "muon", "optim.momentum": 0.95}


@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 6, 24), (3, 24, 6)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrices)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.4
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    between = left.mT @ found @ right.mT
    assert torch.allclose(between, torch.diag_embed(between.diagonal(dim1=1, dim2=2)), atol=1e-4)


def test_matrices_of_the_blocks_are_orthogonalised_and_nothing_else(recipe_for, trainer_for, tiny_distilled):
    trainer = trainer_for(recipe_for(**MUON, **{"model.checkpoint": str(tiny_distilled)}))
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    held = {
        names[id(parameter)]: group.get("orthogonal", False)
        for group in trainer.create_optimizer().param_groups
        for parameter in group["params"]
    }
    assert held.keys() == set(names.values())
    matrices = {name for name, orthogonal in held.items() if orthogonal}
    parts = ("q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2")
    assert {name.split(".")[-2] for name in matrices} == set(parts)
    assert len(matrices) == len(parts) * trainer.model.config.num_hidden_layers
    assert all(name.startswith("deit.layers.") and name.endswith(".weight") for name in matrices)


def test_rates_by_depth_and_momentum_reach_it(recipe_for, trainer_for):
    optimizer = trainer_for(recipe_for(**MUON, **{"optim.layer_decay": 0.5})).create_optimizer()
    assert isinstance(optimizer, Muon)
    assert optimizer.momentum == 0.95
    assert {group["lr"] for group in optimizer.param_groups if group.get("orthogonal")} == {5e-4, 2.5e-4}


def test_a_step_has_the_size_of_adamws():
    weight = torch.nn.Parameter(torch.zeros(16, 64))
    weight.grad = torch.randn(16, 64, generator=torch.Generator().manual_seed(0))
    Muon([{"params": [weight], "orthogonal": True}], lr=0.01).step()
    assert weight.square().mean().sqrt().item() == pytest.approx(0.2 * 0.01, rel=0.2)
    assert torch.sign(weight).eq(-torch.sign(weight.grad)).float().mean() > 0.9


def test_other_groups_move_as_adamw_moves_them():
    gradients = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    bare, beside = torch.nn.Parameter(torch.ones(8)), torch.nn.Parameter(torch.ones(8))
    matrix = torch.nn.Parameter(torch.ones(4, 4))
    adamw = torch.optim.AdamW([bare], lr=0.1, weight_decay=0.1)
    muon = Muon([{"params": [matrix], "orthogonal": True}, {"params": [beside]}], lr=0.1, weight_decay=0.1)
    for gradient in gradients:
        bare.grad, beside.grad, matrix.grad = gradient.clone(), gradient.clone(), torch.eye(4)
        adamw.step(), muon.step()
    assert torch.equal(bare, beside)


def test_it_goes_on_from_its_state_to_the_same_bits():
    gradients = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(0))

    def moved(matrix: torch.nn.Parameter, optimizer: Muon, steps: range) -> torch.nn.Parameter:
        for step in steps:
            matrix.grad = gradients[step].clone()
            optimizer.step()
        return matrix

    def made(values: torch.Tensor) -> tuple[torch.nn.Parameter, Muon]:
        matrix = torch.nn.Parameter(values.clone())
        return matrix, Muon([{"params": [matrix], "orthogonal": True}], lr=0.1)

    whole, optimizer = made(torch.ones(4, 4))
    moved(whole, optimizer, range(2))
    again, restored = made(whole.detach())
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert torch.equal(moved(whole, optimizer, range(2, 4)), moved(again, restored, range(2, 4)))


def test_a_recipe_trains_with_it(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**MUON, **{"optim.max_steps": 12, "run.log_every_steps": 1}))
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert sum(losses[-3:]) < sum(losses[:3])
