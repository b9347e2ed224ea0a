"""How long a small fine-tuning takes from start to end, against a plain Trainer loop and against bare computing.

    python tests/benchmarks/train_throughput.py [--rounds 3]

The same images (the 134 drawn fridge objects twice over, 499 × 666 JPEG), the same DeiT-tiny shape at 224 px, batch 8,
2 epochs, an evaluation and a checkpoint each epoch, in processes of their own, in turn:

    plain       a Trainer as the well-known example script sets it up: transforms in the loader, floats stacked,
                defaults of TrainingArguments
    plain bf16  the same with bf16=True, where the CPU has bf16 (elsewhere it takes many times as long)
    ours        deit-finetune with a recipe that says the same
    bare        forward, backward and AdamW on random tensors, in bf16 where the CPU has it: what it can do at all

Ratios within a round are what counts: seconds depend on the machine and on who else uses it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image

BATCH, EPOCHS = 8, 2
BF16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        images, checkpoint = write_images(Path(folder)), write_checkpoint(Path(folder))
        results = [one_round(images, checkpoint, Path(folder), number) for number in range(rounds)]
    for name in results[0]:
        seconds = [result[name]["seconds"] for result in results]
        speeds = [result[name]["images_per_second"] for result in results]
        print(
            f"{name:11} {statistics.median(seconds):6.1f} s  {statistics.median(speeds):6.1f} images/s while training"
        )
    print(f"whole process, plain / ours:      {ratio(results, 'seconds', 'plain', 'ours'):.2f}  (aim 2.5)")
    if BF16:
        print(f"whole process, plain bf16 / ours: {ratio(results, 'seconds', 'plain bf16', 'ours'):.2f}  (aim 1.5)")
    print(f"images/s, ours / bare:            {ratio(results, 'images_per_second', 'ours', 'bare'):.2f}  (aim 0.85)")


def ratio(results: list[dict[str, dict[str, float]]], what: str, over: str, under: str) -> float:
    """Median over the rounds of a ratio within a round."""
    return statistics.median(result[over][what] / result[under][what] for result in results)


def one_round(images: Path, checkpoint: Path, folder: Path, number: int) -> dict[str, dict[str, float]]:
    plain = [str(HERE / "plain_trainer.py"), str(images), str(checkpoint), str(folder / f"plain-{number}")]
    commands = {
        "plain": [*plain],
        "ours": ["-m", "finetune", str(write_recipe(images, checkpoint, folder, number))],
        **({"plain bf16": [*plain, "--bf16"]} if BF16 else {}),
        "bare": [str(HERE / "bare_loop.py"), str(checkpoint)],
    }
    return {name: measure(name, command, folder / f"ours-{number}") for name, command in commands.items()}


def measure(name: str, command: list[str], run: Path) -> dict[str, float]:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    record: dict[str, Any] = json.loads((run / "record.json").read_text() if name == "ours" else done.stdout)
    return {"seconds": seconds, "images_per_second": record["images_per_second"]}


def write_images(folder: Path) -> Path:
    """Class folders below train/ and validation/ (every fifth); the second copies are encoded anew."""
    from finetune.data.bundled import bundled_root

    root = folder / "images"
    for number, file in enumerate(sorted(bundled_root("fridge-objects").glob("*/*.jpg"))):
        target = root / ("validation" if number % 5 == 0 else "train") / file.parent.name
        target.mkdir(parents=True, exist_ok=True)
        (target / file.name).write_bytes(file.read_bytes())
        Image.open(file).save(target / f"{file.stem}-again.jpg", quality=94)
    return root


def write_checkpoint(folder: Path) -> Path:
    """Random weights in the shape of DeiT-tiny."""
    from transformers import ViTConfig, ViTForImageClassification

    from finetune.model import save_model
    from finetune.pixels import PixelPipeline

    config = ViTConfig(hidden_size=192, num_attention_heads=3, intermediate_size=768, num_labels=1000)
    pixels = PixelPipeline("shortest_edge", 256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    save_model(ViTForImageClassification(config), pixels, folder / "deit-tiny")
    return folder / "deit-tiny"


def write_recipe(images: Path, checkpoint: Path, folder: Path, number: int) -> Path:
    recipe = folder / f"ours-{number}.yaml"
    recipe.write_text(
        f"task: multiclass\ndata: {{kind: folder, root: {images}}}\nmodel: {{checkpoint: {checkpoint}}}\n"
        f"augment: {{crop_scale: [0.08, 1.0]}}\noptim: {{preset: plain, epochs: {EPOCHS}, batch_size: {BATCH}}}\n"
        f"run: {{root: {folder}}}\n"
    )
    return recipe


if __name__ == "__main__":
    main()
