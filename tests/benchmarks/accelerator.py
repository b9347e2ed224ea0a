"""How much of what an accelerator can do a training step uses, and where the time goes.

    python tests/benchmarks/accelerator.py [--model base] [--batch 128] [--steps 40] [--compile]

The very Trainer that a recipe gets, on one random batch that is on the device already (what files cost is measured by
``data_pipeline.py --model base``). Printed are the rate of a large bf16 product of matrices, images per second, which
share of that rate they are (DeiT-base at 224 px: 105 GFLOP an image, forward and backward), and the operations that
took most of the time of five further steps. Without an accelerator it does the same on the CPU, in the run's precision.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from data_pipeline import SHAPES, Clock, random_trainer, write_checkpoint
from torch.profiler import ProfilerActivity, profile

from finetune.recipe import Recipe, load_recipe

GFLOP = {"base": 105.0, "tiny": 7.5}  # of an image, forward and backward
WARM_UP, PROFILED = 10, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SHAPES, default="base")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    bf16 = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    rate = product_rate(device, torch.bfloat16 if bf16 else torch.float32)
    print(f"{device.type}: {rate / 1e12:.2f} TFLOP/s in a product of {'bf16' if bf16 else 'fp32'} matrices")
    with tempfile.TemporaryDirectory() as folder:
        trainer, batch_size = random_trainer(recipe_of(options, Path(folder)))
        clock = Clock()
        trainer.add_callback(clock)
        trainer.train()
        later = clock.times[WARM_UP - 1 :]
        speed = batch_size * (len(later) - 1) / (later[-1] - later[0])
        share = speed * GFLOP[options.model] * 1e9 / rate
        print(f"DeiT-{options.model}, batch {batch_size}: {speed:.1f} images/s, {share:.2f} of that rate  (aim 0.50)")
        print(where_the_time_goes(trainer, device))


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of a product of square matrices, the best of ten."""
    side = 8192 if device.type != "cpu" else 2048
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(10):
        settle(device)
        began = time.perf_counter()
        left @ right
        settle(device)
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / min(seconds)


def settle(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


def where_the_time_goes(trainer: Any, device: torch.device) -> str:
    """The operations of further steps, those first that took longest themselves."""
    batch = next(iter(trainer.loader))
    on_device = device.type == "cuda"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_device else [])]
    with profile(activities=kinds) as seen:
        for _ in range(PROFILED):
            trainer.training_step(trainer.model_wrapped, dict(batch), batch["weights"].sum())
        settle(device)
    by = "self_cuda_time_total" if on_device else "self_cpu_time_total"
    table: str = seen.key_averages().table(sort_by=by, row_limit=12, max_name_column_width=40)
    return table


def recipe_of(options: argparse.Namespace, folder: Path) -> Recipe:
    return load_recipe(
        {
            "task": "multiclass",
            "data": {"kind": "folder", "root": "bundled:fridge-objects"},
            "model": {"checkpoint": str(write_checkpoint(folder, options.model)), "compile": options.compile},
            "augment": {"preset": "none"},
            "optim": {"preset": "plain", "batch_size": options.batch, "max_steps": WARM_UP + options.steps},
            "evaluate": {"every": "never"},
            "run": {"root": str(folder / "runs"), "tracking": []},
        }
    )


if __name__ == "__main__":
    main()
