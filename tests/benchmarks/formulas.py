"""How fast images of formulas are drawn on one core, and what drawing costs a training that needs them anew.

    OMP_NUM_THREADS=1 python tests/benchmarks/formulas.py [--size 64] [--batch 128]

Images per second of processor time of each family, in batches; then those of bundled:deit-nano's training step on one
that is there already, and the time that drawing adds where no image is kept: batches are drawn between the steps.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from finetune.data.formula import FAMILIES, draw
from finetune.model import open_saved
from finetune.model.nano import bundled_checkpoint
from finetune.training.muon import Muon


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    drawn = {family: drawing_speed(family, options.size, options.batch) for family in FAMILIES}
    for family, speed in drawn.items():
        print(f"{family:9} {speed:7.0f} images/s drawn, {options.size} px")
    steps = step_speed(options.batch)
    print(f"deit-nano {steps:7.0f} images/s in training steps on {torch.get_num_threads()} threads")
    print(f"drawing adds {steps / drawn['mixed']:.2f} of a step's time to the first epoch; kept images add nothing")


def drawing_speed(family: str, size: int, batch: int, batches: int = 20) -> float:
    rng = np.random.default_rng(0)
    draw(family, 0, size, np.zeros(1, np.int64), np.zeros(1, np.int64))
    began = time.process_time()
    for _ in range(batches):
        draw(family, 0, size, rng.integers(1000, size=batch), rng.integers(1000, size=batch))
    return batches * batch / (time.process_time() - began)


def step_speed(batch: int, steps: int = 20) -> float:
    model = open_saved(bundled_checkpoint("deit-nano")).model.train()
    optimizer = muon(model)
    pixels, classes = torch.randn(batch, 3, 64, 64), torch.randint(1000, (batch,))
    for step in range(steps + 3):
        if step == 3:
            began = time.process_time()
        torch.nn.functional.cross_entropy(model(pixel_values=pixels).logits, classes).backward()
        optimizer.step()
        optimizer.zero_grad()
    return steps * batch / (time.process_time() - began)


def muon(model: torch.nn.Module) -> torch.optim.Optimizer:
    """As recipes/pretrain_nano.yaml trains."""
    matrices = [weight for weight in model.base_model.layers.parameters() if weight.ndim == 2]
    others = [weight for weight in model.parameters() if all(weight is not matrix for matrix in matrices)]
    return Muon([{"params": matrices, "orthogonal": True}, {"params": others, "orthogonal": False}], lr=4e-3)


if __name__ == "__main__":
    main()
