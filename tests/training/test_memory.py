from __future__ import annotations

from functools import partial

import pytest
import torch

from finetune.errors import HardwareError
from finetune.training.memory import fit_in_memory
from finetune.training.runner import fit


def short_of_memory_above(images: int, tried: list[int], batch: int = 16):
    def attempt(accumulation_steps: int) -> str:
        tried.append(accumulation_steps)
        if batch / accumulation_steps > images:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return "trained"

    return attempt


def test_the_finder_halves_the_pieces_and_keeps_the_batch(recipe_for):
    tried: list[int] = []
    said: list[str] = []
    recipe = recipe_for(**{"optim.batch_size": 16, "optim.find_batch_size": True})
    assert fit_in_memory(recipe, 16, 1, short_of_memory_above(4, tried), said.append) == "trained"
    assert tried == [1, 2, 4]
    assert said[-1] == "out of memory; the batch of 16 is now worked through in 4 pieces"


def test_without_the_finder_the_error_says_what_to_set(recipe_for):
    recipe = recipe_for(**{"optim.batch_size": 16})
    with pytest.raises(HardwareError, match=r"16 images in a forward pass; set optim\.accumulation_steps: 2"):
        fit_in_memory(recipe, 16, 1, short_of_memory_above(4, []), print)


def test_the_finder_gives_up_at_single_images(recipe_for):
    recipe = recipe_for(**{"optim.batch_size": 4, "optim.find_batch_size": True})
    with pytest.raises(HardwareError, match="out of memory with 1 images"):
        fit_in_memory(recipe, 4, 1, short_of_memory_above(0, [], batch=4), print)


def test_the_finder_gives_up_at_pairs_where_images_are_mixed(recipe_for):
    tried: list[int] = []
    recipe = recipe_for(**{"optim.batch_size": 8, "optim.find_batch_size": True, "augment.mixup_alpha": 0.8})
    with pytest.raises(HardwareError, match="out of memory with 2 images"):
        fit_in_memory(recipe, 8, 1, short_of_memory_above(0, tried, batch=8), print)
    assert tried == [1, 2, 4]


def test_other_errors_pass_through(recipe_for):
    def broken(accumulation_steps: int) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit_in_memory(recipe_for(**{"optim.find_batch_size": True}), 8, 1, broken, print)


def test_a_batch_worked_through_in_pieces_gives_the_same_model(recipe_for, work_for, monkeypatch):
    from finetune.training.trainer import ClassifierTrainer

    def weights(limit: int) -> dict[str, torch.Tensor]:
        whole = ClassifierTrainer.compute_loss

        def limited(self, model, inputs, *args, **kwargs):
            if len(inputs["pixels"]) > limit:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return whole(self, model, inputs, *args, **kwargs)

        monkeypatch.setattr(ClassifierTrainer, "compute_loss", limited)
        work = work_for(recipe_for(**{"optim.find_batch_size": True, "optim.optimizer": "sgd", "optim.max_steps": 3}))
        loaded = fit_in_memory(work.recipe, 8, 1, partial(fit, work), lambda line: None)
        monkeypatch.setattr(ClassifierTrainer, "compute_loss", whole)
        return loaded.model.state_dict()

    whole, pieces = weights(limit=8), weights(limit=2)
    assert all(torch.allclose(pieces[name], whole[name], atol=1e-6) for name in whole)
