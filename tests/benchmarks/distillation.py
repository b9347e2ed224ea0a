"""Whether a teacher that knows all digits makes a smaller student better that has 20 labels per class.

    python tests/benchmarks/distillation.py [--seeds 5] [--first 10] [--mixup 1.0]

A third of scikit-learn's 1,797 digits is held out for testing: neither the teacher nor a student ever learns from it.
The teacher, a small ResNet at 32 px, is trained once, from random weights, on the others. For each seed, 20 digits of
each class are drawn of these, and a smaller student, a ViT of 0.15 M parameters with random weights, is trained on them
twice: with the teacher and without, all else equal, augmentation and epochs included.

What counts is the paired difference of test accuracies, with the 95 % interval of Student's t over the seeds.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finetune.data.bundled import bundled_root
from finetune.model import save_model
from finetune.pixels import PixelPipeline
from finetune.recipe import load_recipe
from finetune.training import train

PER_CLASS, HELD_OUT = 20, 1 / 3
# The stronger the crops, the more there is that a teacher knows and the label does not say; digits are never mirrored.
AUGMENT = {"crop_scale": [0.3, 1.0], "crop_ratio": [0.8, 1.25], "horizontal_flip": 0.0}
TEACHER = {"epochs": 20, "batch_size": 32, "learning_rate": 2e-3, "weight_decay": 0.05, "warmup_fraction": 0.1}
STUDENT = {"epochs": 250, "batch_size": 64, "learning_rate": 2e-3, "weight_decay": 0.05, "warmup_fraction": 0.1}
DISTILL = {"kind": "soft", "temperature": 1.0, "weight": 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=10, help="the settings were chosen on 0, 1 and 5 to 9")
    parser.add_argument("--mixup", type=float, default=1.0, help="alpha, of both students; 0 for none")
    parser.add_argument("--weight", type=float, default=1.0, help="of the teacher; the labels have the rest")
    options = parser.parse_args()
    AUGMENT["mixup_alpha"], DISTILL["weight"] = options.mixup, options.weight
    seeds = range(options.first, options.first + options.seeds)
    with tempfile.TemporaryDirectory() as name:
        folder, (pool, held_out) = Path(name), divide_digits()
        teacher = folder / "runs" / "teacher"
        accuracy, seconds = run(
            folder, "teacher", link(folder / "all", pool, held_out), resnet(folder), TEACHER, 0, None
        )
        print(
            f"teacher {accuracy:.4f} on {len(held_out)} digits after {len(pool)} others ({seconds:.0f} s)", flush=True
        )
        pairs = [one_pair(folder, pool, held_out, teacher, seed) for seed in seeds]
    print(in_words([taught - alone for alone, taught in pairs]))


def one_pair(folder: Path, pool: list[Path], held_out: list[Path], teacher: Path, seed: int) -> tuple[float, float]:
    """Test accuracies of the same student without and with the teacher."""
    images = link(folder / f"few-{seed}", few_of_each(pool, seed), held_out)
    checkpoint = small_vit(folder, seed)
    alone, first = run(folder, f"alone-{seed}", images, checkpoint, STUDENT, seed, None)
    distill = {"teacher": str(teacher), **DISTILL}
    taught, second = run(folder, f"taught-{seed}", images, checkpoint, STUDENT, seed, distill)
    print(f"seed {seed}: alone {alone:.4f} ({first:.0f} s), taught {taught:.4f} ({second:.0f} s)", flush=True)
    return alone, taught


def in_words(differences: list[float]) -> str:
    from scipy.stats import t

    mean = statistics.mean(differences)
    if len(differences) < 2:
        return f"taught - alone: {mean:+.4f}"
    half = float(t.ppf(0.975, len(differences) - 1)) * statistics.stdev(differences) / math.sqrt(len(differences))
    listed = ", ".join(f"{difference:+.4f}" for difference in differences)
    return f"taught - alone: {mean:+.4f}, 95 % interval {mean - half:+.4f} to {mean + half:+.4f} ({listed})"


# ---------------------------------------------------------------- images


def divide_digits() -> tuple[list[Path], list[Path]]:
    """Files to learn from and files to test on, always the same."""
    files = sorted(bundled_root("digits").glob("*/*.png"))
    order = np.random.default_rng(0).permutation(len(files))
    held_out = {int(index) for index in order[: round(HELD_OUT * len(files))]}
    return (
        [file for number, file in enumerate(files) if number not in held_out],
        [file for number, file in enumerate(files) if number in held_out],
    )


def few_of_each(files: list[Path], seed: int) -> list[Path]:
    """PER_CLASS files of each class, drawn anew for each seed."""
    rng = np.random.default_rng(seed)
    by_class = {name: [file for file in files if file.parent.name == name] for name in map(str, range(10))}
    return [found[i] for found in by_class.values() for i in rng.permutation(len(found))[:PER_CLASS]]


def link(root: Path, training: list[Path], held_out: list[Path]) -> Path:
    """Class folders below train/ and test/ with links to the files."""
    for split, files in (("train", training), ("test", held_out)):
        for file in files:
            target = root / split / file.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file)
    return root


# ---------------------------------------------------------------- models


def resnet(folder: Path) -> Path:
    """A teacher to be: a ResNet of 0.3 M parameters for 32 px, random weights."""
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    config = ResNetConfig(
        embedding_size=32, hidden_sizes=[32, 64, 128], depths=[1, 1, 1], layer_type="basic", num_labels=10
    )
    return saved(ResNetForImageClassification(config), 32, folder / "resnet")


def small_vit(folder: Path, seed: int) -> Path:
    """A student: half the width and a third of the depth of bundled:deit-nano, 32 px in 4 patches, random weights."""
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(seed)
    config = ViTConfig(
        image_size=32, patch_size=16, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256,
        layer_norm_eps=1e-6, num_labels=10,
    )  # fmt: skip
    return saved(ViTForImageClassification(config), 32, folder / f"small-vit-{seed}")


def saved(model: Any, size_px: int, folder: Path) -> Path:
    pixels = PixelPipeline("squash", size_px, None, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    save_model(model, pixels, folder)
    return folder


def run(
    folder: Path, name: str, images: Path, checkpoint: Path, optim: dict[str, Any], seed: int, distill: Any
) -> tuple[float, float]:
    """Train, and give test accuracy and seconds."""
    recipe = {
        "task": "multiclass",
        "data": {"kind": "folder", "root": str(images), "split": {"validation": 0.0}},
        "model": {"checkpoint": str(checkpoint)},
        "augment": {"preset": "none", **AUGMENT},
        "optim": {"preset": "plain", **optim},
        "evaluate": {"every": "never"},
        "distill": distill,
        "run": {"root": str(folder / "runs"), "name": name, "seed": seed, "precision": "fp32", "tracking": []},
    }
    began = time.perf_counter()
    accuracy: float = train(load_recipe(recipe)).read_metrics()["test"]["accuracy"]
    return accuracy, time.perf_counter() - began


if __name__ == "__main__":
    main()
