"""The presets against plain settings at the same ``run.max_minutes``, on images that chose nothing.

    python tests/benchmarks/presets.py [--seeds 5] [--minutes 1] [--only digits]

Twenty digits per class and the drawn fridge sets, from random weights in the shape of bundled:deit-nano. ``plain`` is
``optim.preset: plain`` with ``augment.preset: light``; ``shipped`` is what the recipe of the same name said before
there were presets; ``preset`` is what is chosen now where a recipe says nothing. Each seed draws its own split,
new head and order; a fifth of the images is the test split.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from paired import compare
from PIL import Image

import finetune

RANDOM = {"learning_rate": 1e-3, "warmup_fraction": 0.1, "weight_decay": 0.05}
DIGITS = {"horizontal_flip": 0.0}  # a mirrored 2 is no digit
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {
        "plain": {"optim": {"preset": "plain"}, "augment": DIGITS},
        "shipped": {
            "optim": {"preset": "plain", "epochs": 60, "batch_size": 64, **RANDOM},
            "augment": {**DIGITS, "crop_scale": [0.8, 1.0], "crop_ratio": [0.9, 1.1]},
        },
        "preset": {"augment": DIGITS},
    },
    "fridge": {
        "plain": {"optim": {"preset": "plain"}},
        "shipped": {
            "optim": {"preset": "plain", "epochs": 150, "batch_size": 16, **RANDOM},
            "augment": {"crop_scale": [0.6, 1.0]},
            "loss": {"label_smoothing": 0.1},
        },
        "preset": {},
    },
}
SETS = {
    "digits": ("multiclass", "accuracy", "digits"),
    "fridge-objects": ("multiclass", "accuracy", "fridge"),
    "multilabel-fridge-objects": ("multilabel", "mAP", "fridge"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--only", choices=SETS, default=None)
    parser.add_argument("--against", nargs="+", choices=("plain", "shipped"), default=["plain", "shipped"])
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    for name, (task, metric, kind) in SETS.items():
        if options.only not in (None, name):
            continue
        settings = {name: changes for name, changes in SETTINGS[kind].items() if name in (*options.against, "preset")}
        found: dict[str, list[float]] = {setting: [] for setting in settings}
        for seed in seeds:
            for setting, changes in settings.items():
                found[setting].append(score(name, task, metric, changes, seed, options.minutes))
            print(f"  {name} seed {seed}: " + ", ".join(f"{s} {v[-1]:.3f}" for s, v in found.items()), flush=True)
        for other in options.against:
            print(compare(f"{name} {metric}, {other}", found[other], found["preset"]), flush=True)


def score(name: str, task: str, metric: str, changes: dict[str, dict[str, Any]], seed: int, minutes: float) -> float:
    """The metric on the test split."""
    with tempfile.TemporaryDirectory() as folder:
        recipe: dict[str, Any] = {
            "task": task,
            "data": data_of(name, Path(folder), seed),
            "run": {"root": f"{folder}/runs", "seed": seed, "max_minutes": minutes, "tracking": []},
            **changes,
            "model": {"checkpoint": "bundled:deit-nano", "weights": "random"},
        }
        return float(finetune.finetune(recipe).metrics["test"][metric])


def data_of(name: str, folder: Path, seed: int) -> dict[str, Any]:
    if name == "digits":
        write_digits(folder / "digits", per_class=20, seed=seed)
        return {"kind": "folder", "root": str(folder / "digits"), "split": {"validation": 0.2, "seed": seed}}
    kind = "csv" if name.startswith("multilabel") else "folder"
    return {"kind": kind, "root": f"bundled:{name}", "split": {"validation": 0.2, "test": 0.2, "seed": seed}}


def write_digits(root: Path, per_class: int, seed: int) -> None:
    """``per_class`` digits of each class to learn from, 1,000 others to be tested on."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    chosen = np.concatenate([order[digits.target[order] == digit][:per_class] for digit in range(10)])
    others = order[~np.isin(order, chosen)][:1000]
    for split, indices in (("train", chosen), ("test", others)):
        for index in indices:
            file = root / split / str(digits.target[index]) / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((digits.images[index] * 255 / 16).round().astype(np.uint8)).save(file)


if __name__ == "__main__":
    main()
