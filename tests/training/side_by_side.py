"""The stock Trainer and ours do the same with the same model and images. Run by torchrun in tests."""

from __future__ import annotations

import copy
import dataclasses
import json
import sys
from typing import Any

import torch
import torch.distributed as dist
from transformers import Trainer, TrainingArguments

from finetune.data import targets
from finetune.data.decoded import DecodedImages
from finetune.model import LoadedModel, load_with_new_head
from finetune.pixels import TrainingCrop
from finetune.recipe import load_recipe
from finetune.recipe.augmentation import PRESETS
from finetune.training import runner, train
from finetune.training.assembly import build_trainer
from finetune.training.work import Work

Weights = dict[str, torch.Tensor]


class SideBySide(Work):
    """A run that lets each Trainer make one step instead of training, and writes down what came out."""

    def compare(self) -> LoadedModel:
        loaded = load_with_new_head(self.recipe, self.splits.labels, self.task)
        found = {
            "evaluation_loss": {"true": self.true_loss(loaded)},
            "gradient": {"true": length(self.true_gradient(loaded))},
            "apart": {},
        }
        for name, build in (("stock", self.stock_trainer), ("ours", self.our_trainer)):
            found["gradient"][name] = length(one_step(build(loaded)))
            evaluated_first = build(loaded)
            found["evaluation_loss"][name] = evaluated_first.evaluate()["eval_loss"]
            found["apart"][name] = apart(one_step(evaluated_first))
        if self.hardware.is_main:
            (self.folder.path.parent / "found.json").write_text(json.dumps(found))
        return loaded

    def our_trainer(self, loaded: LoadedModel) -> Trainer:
        copied = dataclasses.replace(loaded, model=copy.deepcopy(loaded.model))
        trainer: Any = build_trainer(self, copied, accumulation_steps=1, callbacks=[])
        trainer.loader.dataset.crop = TrainingCrop(PRESETS["none"], loaded.pixels)  # as stock gets them: not varied
        return trainer

    def stock_trainer(self, loaded: LoadedModel) -> Trainer:
        arguments = TrainingArguments(
            output_dir=str(self.folder.path / "stock"), save_strategy="no", use_cpu=True, disable_tqdm=True,
            max_steps=1, optim="sgd", learning_rate=0.05, lr_scheduler_type="constant", max_grad_norm=0.0,
            per_device_train_batch_size=6, per_device_eval_batch_size=3,
        )  # fmt: skip
        training, validation = self.rows(loaded, "train"), self.rows(loaded, "validation")
        return Trainer(copy.deepcopy(loaded.model), arguments, train_dataset=training, eval_dataset=validation)

    def rows(self, loaded: LoadedModel, split: str) -> list[dict[str, torch.Tensor]]:
        table = self.splits.datasets[split]
        images = DecodedImages(table)
        pixels = [torch.from_numpy(loaded.pixels.to_uint8(images[i])) for i in range(len(images))]
        labels = torch.from_numpy(targets(table).copy())
        labels = labels.float() if labels.ndim == 2 else labels
        return [
            {"pixel_values": loaded.pixels.normalise(p[None])[0], "labels": y}
            for p, y in zip(pixels, labels, strict=True)
        ]

    # ------------------------------------------------------------ by hand, on all images at once

    def loss_of_all(self, model: torch.nn.Module, loaded: LoadedModel, split: str) -> torch.Tensor:
        rows = self.rows(loaded, split)
        whole: torch.Tensor = model(**{name: torch.stack([row[name] for row in rows]) for name in rows[0]}).loss
        return whole

    def true_loss(self, loaded: LoadedModel) -> float:
        with torch.inference_mode():
            return float(self.loss_of_all(loaded.model, loaded, "validation"))

    def true_gradient(self, loaded: LoadedModel) -> Weights:
        model = copy.deepcopy(loaded.model)
        self.loss_of_all(model, loaded, "train").backward()
        return {name: parameter.grad for name, parameter in model.named_parameters()}


def one_step(trainer: Any) -> Weights:
    """How far one step of plain gradient descent moves each weight, divided by the learning rate."""
    before = copy.deepcopy(trainer.model.state_dict())
    trainer.train()
    after = trainer.accelerator.unwrap_model(trainer.model).state_dict()
    return {name: (before[name] - after[name]) / trainer.args.learning_rate for name in before}


def length(weights: Weights) -> float:
    return float(torch.cat([tensor.flatten() for tensor in weights.values()]).norm())


def apart(weights: Weights) -> float:
    """The largest difference between the two processes."""
    mine = torch.cat([tensor.flatten() for tensor in weights.values()])
    everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(everyone, mine)
    return float((everyone[0] - everyone[1]).abs().max())


if __name__ == "__main__":
    runner.fit = lambda work, steps: SideBySide(**vars(work)).compare()  # type: ignore[assignment]
    for recipe in sys.argv[1:]:
        train(load_recipe(recipe))
