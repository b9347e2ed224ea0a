"""What the data pipeline costs: training from JPEG files against the same loop on tensors already on the device.

    python tests/benchmarks/data_pipeline.py [--rounds 3] [--steps 20] [--batch 16] [--model tiny|base] [--anew]

The very Trainer that a recipe gets, on the drawn fridge objects (499 × 666 JPEG), at 224 px: once with its loader and
its augmentation, once with one random batch in their place. Decoded images kept (decoded before the clock starts) and
decoded anew each time; presets light and deit. Rounds alternate the two, and the ratio within a round is what counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import TrainerCallback

from finetune.data import load_splits
from finetune.model import choose_task, save_model
from finetune.pixels import PixelPipeline
from finetune.recipe import Recipe, load_recipe
from finetune.recipe.settings import choose_settings
from finetune.training.assembly import build_trainer, load
from finetune.training.hardware import choose_hardware
from finetune.training.processes import join_processes
from finetune.training.record import Phases
from finetune.training.resuming import open_folder, plan_run
from finetune.training.work import Work

SHAPES = {"tiny": (192, 3, 768), "base": (768, 12, 3072)}
AIMS = {("light", "auto"): 0.95, ("deit", "auto"): 0.90, ("light", 0): 0.90, ("deit", 0): 0.84}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--model", choices=SHAPES, default="tiny")
    parser.add_argument("--anew", action="store_true", help="only with images that are decoded anew")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = write_checkpoint(Path(folder), options.model)
        for (preset, keep), aim in AIMS.items():
            if options.anew and keep != 0:
                continue
            recipe = recipe_of(checkpoint, preset, keep, options, Path(folder))
            rounds = [(speed(recipe, random=False), speed(recipe, random=True)) for _ in range(options.rounds)]
            ratio = statistics.median(files / random for files, random in rounds)
            files, random = (statistics.median(column) for column in zip(*rounds, strict=True))
            kept = "decoded anew" if keep == 0 else "kept decoded"
            print(
                f"{preset:6} {kept:13} {files:6.1f} images/s from files, {random:6.1f} from memory: "
                f"{ratio:.3f} (aim {aim:.2f})",
                flush=True,
            )


def write_checkpoint(folder: Path, model: str) -> Path:
    from transformers import ViTConfig, ViTForImageClassification

    width, heads, inner = SHAPES[model]
    config = ViTConfig(hidden_size=width, num_attention_heads=heads, intermediate_size=inner, num_labels=1000)
    pixels = PixelPipeline("shortest_edge", 256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    save_model(ViTForImageClassification(config), pixels, folder / model)
    return folder / model


def recipe_of(checkpoint: Path, preset: str, keep: int | str, options: argparse.Namespace, folder: Path) -> Recipe:
    return load_recipe(
        {
            "task": "multiclass",
            "data": {"kind": "folder", "root": "bundled:fridge-objects", "keep_decoded_mb": keep},
            "model": {"checkpoint": str(checkpoint)},
            "augment": {"preset": preset},
            "optim": {"preset": "plain", "batch_size": options.batch, "max_steps": options.steps},
            "evaluate": {"every": "never"},
            "run": {"root": str(folder / "runs"), "tracking": []},
        }
    )


def speed(recipe: Recipe, random: bool) -> float:
    """Images per second from the third step on."""
    trainer, batch_size = random_trainer(recipe) if random else trainer_of(recipe)
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    return batch_size * (len(clock.times) - 3) / (clock.times[-1] - clock.times[2])


def trainer_of(recipe: Recipe) -> tuple[Any, int]:
    """The Trainer that the recipe gets, and its batch size."""
    plan = plan_run(recipe, fallback=False, resume=False)
    hardware, splits = choose_hardware(recipe), load_splits(recipe)
    settings = choose_settings(recipe, len(splits.datasets["train"]))
    folder, quiet = open_folder(plan, overwrite=True), Console(quiet=True)
    join_processes(hardware)
    work = Work(plan, folder, hardware, splits, settings, choose_task(recipe), quiet, Phases())
    trainer = build_trainer(work, load(work), 1, [])
    warm_up(trainer)
    return trainer, settings.batch_size


def random_trainer(recipe: Recipe) -> tuple[Any, int]:
    """The same, with one random batch in the place of its loader."""
    trainer, batch_size = trainer_of(recipe)
    one_batch(trainer, batch_size)
    return trainer, batch_size


def warm_up(trainer: Any) -> None:
    """Decode what is going to be kept."""
    images = trainer.loader.dataset.images
    for index in range(len(images)) if images.all_kept else ():
        images[index]


def one_batch(trainer: Any, size: int) -> None:
    """Put one random batch in the place of the loader, and nothing in that of the augmentation."""
    device, side = trainer.args.device, trainer.model.config.image_size
    batch = {
        "pixels": torch.randint(256, (size, 3, side, side), dtype=torch.uint8, device=device),
        "targets": torch.randint(4, (size,), device=device),
        "weights": torch.ones(size, device=device),
    }
    steps = trainer.loader.batch_sampler.steps
    trainer.loader = Same(batch, steps)
    trainer.vary = lambda batch: batch


class Same:
    """The same batch for every step of an epoch."""

    def __init__(self, batch: dict[str, torch.Tensor], steps: int) -> None:
        self.batch, self.steps, self.batch_sampler, self.dataset = batch, steps, None, range(steps)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for _ in range(self.steps):
            yield dict(self.batch)


class Clock(TrainerCallback):
    """The time at which training began, and at each step's end."""

    def __init__(self) -> None:
        self.began = 0.0
        self.times: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())


if __name__ == "__main__":
    main()
