"""A plain Trainer loop, as the example scripts of the field are written: ``IMAGES CHECKPOINT OUT [--bf16]``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from datasets import load_dataset
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

BATCH, EPOCHS = 8, 2


class Clock(TrainerCallback):
    """Seconds within and between training steps, without evaluations and checkpoints."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.since = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.since = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.perf_counter()
        self.seconds, self.since = self.seconds + now - self.since, now


def main() -> None:
    images, checkpoint, out = sys.argv[1:4]
    splits = load_dataset("imagefolder", data_dir=images)
    names = splits["train"].features["label"].names
    processor = AutoImageProcessor.from_pretrained(checkpoint)
    model = AutoModelForImageClassification.from_pretrained(
        checkpoint, num_labels=len(names), id2label=dict(enumerate(names)),
        label2id={n: i for i, n in enumerate(names)}, ignore_mismatched_sizes=True,
    )  # fmt: skip

    def tensor(image: Image.Image) -> torch.Tensor:
        pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / 255
        mean, std = (
            np.asarray(v, dtype=np.float32)[:, None, None] for v in (processor.image_mean, processor.image_std)
        )
        return torch.from_numpy((pixels - mean) / std)

    def train_transform(rows: dict[str, Any]) -> dict[str, Any]:
        return {"label": rows["label"], "pixel_values": [tensor(random_crop(i.convert("RGB"))) for i in rows["image"]]}

    def eval_transform(rows: dict[str, Any]) -> dict[str, Any]:
        return {"label": rows["label"], "pixel_values": [tensor(centre_crop(i.convert("RGB"))) for i in rows["image"]]}

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        pixel_values = torch.stack([row["pixel_values"] for row in rows])
        return {"pixel_values": pixel_values, "labels": torch.tensor([row["label"] for row in rows])}

    clock = Clock()
    arguments = TrainingArguments(
        output_dir=out, num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, eval_strategy="epoch",
        save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model="accuracy", use_cpu=True,
        bf16="--bf16" in sys.argv, remove_unused_columns=False, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(
        model=model, args=arguments, data_collator=collate, callbacks=[clock],
        train_dataset=splits["train"].with_transform(train_transform),
        eval_dataset=splits["validation"].with_transform(eval_transform),
        compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(1) == p.label_ids).mean())},
    )  # fmt: skip
    with_stdout_free(trainer.train)
    trainer.save_model()
    with_stdout_free(trainer.evaluate)
    print(json.dumps({"images_per_second": EPOCHS * len(splits["train"]) / clock.seconds}))


def with_stdout_free(call: Any) -> None:
    """What the Trainer prints goes to stderr, so that stdout holds the result alone."""
    kept, sys.stdout = sys.stdout, sys.stderr
    try:
        call()
    finally:
        sys.stdout = kept


def random_crop(image: Image.Image) -> Image.Image:
    """Random resized crop to 224 px with a flip."""
    width, height = image.size
    for _ in range(10):
        area = np.random.uniform(0.08, 1.0) * width * height
        shape = np.exp(np.random.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round((area * shape) ** 0.5), round((area / shape) ** 0.5)
        if w <= width and h <= height:
            left, top = np.random.randint(width - w + 1), np.random.randint(height - h + 1)
            image = image.crop((left, top, left + w, top + h))
            break
    image = image.resize((224, 224), Image.Resampling.BICUBIC)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if np.random.random() < 0.5 else image


def centre_crop(image: Image.Image) -> Image.Image:
    """Shorter side to 256 px, centre 224 px."""
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    return image.crop((left, top, left + 224, top + 224))


if __name__ == "__main__":
    main()
