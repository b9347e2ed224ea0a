"""How long a probe takes against 15 epochs of full fine-tuning.

    python tests/benchmarks/probe_time.py

The 134 drawn fridge objects (107 to train on), DeiT-tiny's shape with random weights, 224 px, each in a process of its
own with an empty feature cache. Compared are the seconds that a run records of its phases after the data are read:
loading the model, encoding, training, evaluating. Imports and the reading of the data, the same for both, are left out.
A second probe shows what is left when the features are in the cache; another computes features and scores in bf16.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from train_throughput import write_checkpoint

PROBE = ["model.train=probe"]
RUNS = {
    "fine-tuning, 15 epochs": ["optim.preset=plain"],
    "probe": PROBE,
    "probe again (features in the cache)": PROBE,
    "probe on bf16 features": [*PROBE, "evaluate.precision=bf16"],
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = write_recipe(Path(folder))
        seconds = {}
        for number, (name, overrides) in enumerate(RUNS.items()):
            record, scores = measure(recipe, number, overrides)
            phases = {phase: value for phase, value in record["seconds"].items() if phase != "data"}
            seconds[name] = sum(phases.values())
            spelled = ", ".join(f"{phase} {value:.1f}" for phase, value in phases.items())
            print(f"{name:36} {seconds[name]:6.1f} s ({spelled}); {record['hardware']['precision']}, {scores}")
    share = seconds["probe"] / seconds["fine-tuning, 15 epochs"]
    print(f"probe / fine-tuning: {share:.3f}  (aim: below 0.1)")


def write_recipe(folder: Path) -> Path:
    recipe = folder / "fridge.yaml"
    recipe.write_text(
        "task: multiclass\ndata: {kind: folder, root: 'bundled:fridge-objects'}\n"
        f"model: {{checkpoint: {write_checkpoint(folder)}}}\nrun: {{root: {folder}, tracking: []}}\n"
    )
    return recipe


def measure(recipe: Path, number: int, overrides: list[str]) -> tuple[dict[str, Any], str]:
    """The run's record, and what it scored; the bundled data are drawn before the first one is timed."""
    words = [word for change in [f"run.name=run-{number}", *overrides] for word in ("--set", change)]
    call = [sys.executable, "-m", "finetune", str(recipe), *words]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=_cache_beside(recipe.parent))
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(call)} failed:\n{done.stderr}")
    run = recipe.parent / f"run-{number}"
    scores = json.loads((run / "metrics.json").read_text())["validation"]
    return json.loads((run / "record.json").read_text()), f"accuracy {scores['accuracy']:.3f} loss {scores['loss']:.3f}"


def _cache_beside(folder: Path) -> dict[str, str]:
    """An empty cache, but for the drawn images, which take half a minute to draw."""
    from finetune.cache import cache_dir
    from finetune.data.bundled import bundled_root

    bundled_root("fridge-objects")
    fresh = folder / "cache"
    fresh.mkdir(exist_ok=True)
    if not (fresh / "bundled").exists():
        (fresh / "bundled").symlink_to(cache_dir("bundled"))
    return {**os.environ, "DEIT_FINETUNE_CACHE": str(fresh)}


if __name__ == "__main__":
    main()
