"""``model.compile``: the step is traced, and computes the same."""

from __future__ import annotations

import pytest
import torch
from accelerate.utils import DynamoBackend


def weights_after(recipe_for, trainer_for, compiled: bool, **overrides) -> dict[str, torch.Tensor]:
    """Weights after two epochs whose last batch is short. What dynamo traced is carried out as it is, so that no C++
    compiler is needed."""
    steps = {"optim.batch_size": 5, "optim.epochs": 2, "evaluate.every": "never", "optim.learning_rate": 1e-3}
    trainer = trainer_for(recipe_for(**steps, **overrides, **{"model.compile": compiled}))
    assert (trainer.accelerator.state.dynamo_plugin.backend == DynamoBackend.INDUCTOR) is compiled
    if compiled:
        trainer.accelerator.state.dynamo_plugin.backend = DynamoBackend.EAGER
    trainer.train()
    assert hasattr(trainer.model_wrapped, "_orig_mod") is compiled
    torch._dynamo.reset()
    return {name.replace("_orig_mod.", ""): value for name, value in trainer.model.state_dict().items()}


@pytest.mark.parametrize(
    "overrides",
    [{}, {"optim.unfreeze_every_epochs": 0.5}, {"model.train": "lora"}, {"optim.ema_decay": 0.9}],
    ids=["plain", "unfreezing", "lora", "ema"],
)
def test_a_compiled_step_computes_what_the_plain_one_does(recipe_for, trainer_for, overrides):
    plain, compiled = (weights_after(recipe_for, trainer_for, on, **overrides) for on in (False, True))
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-6)
