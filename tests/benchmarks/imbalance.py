"""What balancing gives where half of the classes are rare: digits, 1:50, scored on a balanced test split.

    python tests/benchmarks/imbalance.py [--seeds 5] [--epochs 15] [--ways class_weights sampling]

For each seed, five of the ten digits are drawn to be rare: 150 training images of a common digit, 3 of a rare one, and
28 test images of each. Every way of balancing trains bundled:deit-nano on the same images with the same seed for as
many steps; ``unclipped`` is class_weights without the clipping of gradients, which takes most of its weight from a
batch that holds a rare class. Nothing is picked by a validation split. The score is the macro F1 of the test split.
Printed are each seed's scores and, for each way, the mean difference to plain training with its paired 95 % interval
(Student's t).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from finetune import finetune
from finetune.data.bundled.digits import write_digits

COMMON, RARE, TEST = 150, 3, 28
WAYS: dict[str, dict[str, Any]] = {
    "none": {},
    "class_weights": {"loss.class_weights": "balanced"},
    "unclipped": {"loss.class_weights": "balanced", "optim.max_grad_norm": 0.0},
    "effective_number": {"loss.class_weights": "effective_number"},
    "sampling": {"data.sampling": "balanced"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=float, default=15.0)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS)[1:], default=list(WAYS)[1:])
    arguments = parser.parse_args()
    ways = ["none", *arguments.ways]
    print(f"seed  {'  '.join(f'{way:>16}' for way in ways)}")
    with tempfile.TemporaryDirectory() as folder:
        digits = Path(folder) / "digits"
        digits.mkdir()
        write_digits(digits)
        scores = [one_seed(digits, Path(folder), seed, ways, arguments.epochs) for seed in range(arguments.seeds)]
    for way in arguments.ways:
        print(paired(way, [score[way] - score["none"] for score in scores]))


def one_seed(digits: Path, folder: Path, seed: int, ways: list[str], epochs: float) -> dict[str, float]:
    """Macro F1 of each way on the same images."""
    images = folder / f"images-{seed}"
    write_imbalanced(digits, images, seed)
    scores, seconds = {}, []
    for way in ways:
        began = time.perf_counter()
        run = finetune(recipe(images, folder / f"runs-{seed}", way, seed, epochs), **WAYS[way])
        scores[way] = float(run.metrics["test"]["f1_macro"])
        seconds.append(time.perf_counter() - began)
    print(f"{seed:4}  {'  '.join(f'{scores[way]:16.3f}' for way in ways)}   {statistics.mean(seconds):.1f} s a run")
    return scores


def write_imbalanced(digits: Path, out: Path, seed: int) -> None:
    """``train/`` and ``test/`` class folders, as links to the digits."""
    rng = np.random.default_rng(seed)
    rare = set(rng.permutation(10)[:5].tolist())
    for digit in range(10):
        files = rng.permutation(sorted((digits / str(digit)).iterdir())).tolist()
        training = files[TEST:][: RARE if digit in rare else COMMON]
        for split, chosen in (("test", files[:TEST]), ("train", training)):
            (out / split / str(digit)).mkdir(parents=True)
            for file in chosen:
                (out / split / str(digit) / file.name).hardlink_to(file)


def recipe(images: Path, runs: Path, way: str, seed: int, epochs: float) -> dict[str, Any]:
    return {
        "task": "multiclass",
        "data": {"kind": "folder", "root": str(images), "split": {"validation": 0.0}},
        "model": {"checkpoint": "bundled:deit-nano", "weights": "random"},
        "augment": {"crop_scale": [0.8, 1.0], "crop_ratio": [0.9, 1.1], "horizontal_flip": 0.0},
        "optim": {"preset": "plain", "epochs": epochs, "batch_size": 16, "learning_rate": 5e-4, "warmup_fraction": 0.1},
        "evaluate": {"every": "never"},
        "run": {"root": str(runs), "name": way, "seed": seed, "tracking": []},
    }


def paired(way: str, differences: list[float]) -> str:
    """The mean difference and its 95 % interval over the seeds."""
    mean = statistics.mean(differences)
    if len(differences) < 2:
        return f"{way:>16} - none: {mean:+.3f}"
    half = float(stats.t.ppf(0.975, len(differences) - 1)) * statistics.stdev(differences) / len(differences) ** 0.5
    return f"{way:>16} - none: {mean:+.3f}, 95 % interval {mean - half:+.3f} to {mean + half:+.3f}"


if __name__ == "__main__":
    main()
