"""Whether ``model.compile`` pays: the same training with and without torch.compile.

    python tests/benchmarks/compiled.py [--rounds 2] [--steps 20] [--batch 16] [--model tiny|base|nano]

The very Trainer that a recipe gets, on a random batch that is on the device already, so that nothing but the step is
timed; the first ten steps, in which torch compiles, are timed by themselves. On a CPU torch needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from data_pipeline import SHAPES, Clock, random_trainer, write_checkpoint

from finetune.recipe import Recipe, load_recipe

COMPILING = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--model", choices=[*SHAPES, "nano"], default="tiny")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nano = options.model == "nano"
        checkpoint = "bundled:deit-nano" if nano else str(write_checkpoint(folder, options.model))
        rounds = [
            [timed(recipe_of(checkpoint, compiled, options, folder)) for compiled in (False, True)]
            for _ in range(options.rounds)
        ]
    plain, compiled = zip(*rounds, strict=True)
    for name, times in (("plain", plain), ("compiled", compiled)):
        start, speed = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:8} first {COMPILING} steps {start:6.1f} s, then {speed:7.1f} images/s")
    ratio = statistics.median(c[1] / p[1] for p, c in rounds)
    print(f"images/s, compiled / plain: {ratio:.3f}")


def timed(recipe: Recipe) -> tuple[float, float]:
    """Seconds of the first steps, and images per second of the others."""
    trainer, batch_size = random_trainer(recipe)
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    later = clock.times[COMPILING - 1 :]
    return clock.times[COMPILING - 1] - clock.began, batch_size * (len(later) - 1) / (later[-1] - later[0])


def recipe_of(checkpoint: str, compiled: bool, options: argparse.Namespace, folder: Path) -> Recipe:
    return load_recipe(
        {
            "task": "multiclass",
            "data": {"kind": "folder", "root": "bundled:fridge-objects"},
            "model": {"checkpoint": checkpoint, "compile": compiled},
            "augment": {"preset": "none"},
            "optim": {"preset": "plain", "batch_size": options.batch, "max_steps": COMPILING + options.steps},
            "evaluate": {"every": "never"},
            "run": {"root": str(folder / "runs"), "tracking": []},
        }
    )


if __name__ == "__main__":
    main()
