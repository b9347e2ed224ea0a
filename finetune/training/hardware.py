"""What this machine offers: processes, device, arithmetic. Decided once, before anything is loaded."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Any, Literal

from finetune.errors import HardwareError
from finetune.recipe import Recipe

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class Hardware:
    """The device type, the arithmetic of the training step, and this process's place among all."""

    device_type: Literal["cpu", "cuda", "mps"]
    precision: Precision
    rank: int
    processes: int
    notes: tuple[str, ...] = ()

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    @property
    def scoring_precision(self) -> Literal["fp32", "bf16"]:
        """Arithmetic of forward passes beside training: evaluations between epochs, teachers."""
        return "bf16" if self.precision == "bf16" else "fp32"

    def attention(self, wanted: str) -> Literal["eager", "sdpa"]:
        """The attention implementation for ``model.attention``.

        Under bf16 on a CPU the eager one is faster: the fused kernel works in fp32 tiles there.
        """
        if wanted == "auto":
            return "eager" if (self.device_type, self.precision) == ("cpu", "bf16") else "sdpa"
        return "eager" if wanted == "eager" else "sdpa"


def choose_hardware(recipe: Recipe) -> Hardware:
    """Choose device and precision as the recipe asks and the machine allows.

    Raises:
        HardwareError: the precision does not exist on the device, or sharding of a kind that goes wrong was asked for.
    """
    refuse_sharding()
    _refuse_with_shards(recipe)
    device = _device_type(recipe.run.device)
    rank, processes = process_place()
    notes = (*_unused_gpus(device, processes), *_no_shards(device))
    return Hardware(device, _precision(recipe.run.precision, device), rank, processes, notes)


def process_place() -> tuple[int, int]:
    """Rank and number of processes, as torchrun and accelerate set them in the environment."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def refuse_sharding() -> None:
    """Refuse what Accelerate would switch on through the environment and what goes wrong; version 2 of FSDP goes right.

    Raises:
        HardwareError: DeepSpeed, or version 1 of FSDP, is configured.
    """
    if _switched_on("ACCELERATE_USE_DEEPSPEED"):
        raise HardwareError(
            "accelerate is configured for DeepSpeed, which under bf16 rounds the model itself to 16 bits, so that a "
            "rounded model would be scored and saved, and whose ZeRO stage 3 leaves no whole weights in checkpoints; "
            f"{_INSTEAD}"
        )
    if shards_weights() and os.environ.get("FSDP_VERSION", "1") != "2":
        raise HardwareError(
            "accelerate is configured for version 1 of FSDP, whose weights exist only while its own wrapper runs, so "
            f"that the model cannot be scored; {_INSTEAD}"
        )


_INSTEAD = (
    "fsdp_version: 2 in accelerate's configuration shards and goes right, and `accelerate launch --multi_gpu -m "
    "finetune RECIPE` trains with whole weights"
)


def _refuse_with_shards(recipe: Recipe) -> None:
    """What reads or changes whole weights while training, and would see a share of them."""
    wants = {
        "model.train: lora": recipe.model.train == "lora",
        "optim.ema_decay": recipe.optim.ema_decay is not None,
        "optim.unfreeze_every_epochs": recipe.optim.unfreeze_every_epochs is not None,
        "distill": recipe.distill is not None,
        "optim.optimizer: muon": recipe.optim.optimizer == "muon",
    }
    asked = [key for key, asks in wants.items() if asks]
    if shards_weights() and asked:
        raise HardwareError(
            f"accelerate is configured for FSDP, and the recipe asks for {' and '.join(asked)}, which has only been "
            "shown right with whole weights; run `accelerate launch --multi_gpu -m finetune RECIPE`, or leave it out"
        )


def shards_weights() -> bool:
    """Whether Accelerate is configured for FSDP, under which each process holds a share of the weights."""
    return _switched_on("ACCELERATE_USE_FSDP")


def _switched_on(variable: str) -> bool:
    return os.environ.get(variable, "false").lower() in ("1", "true", "yes")


def _device_type(wanted: str) -> Literal["cpu", "cuda", "mps"]:
    import torch

    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _precision(wanted: str, device: str) -> Precision:
    if wanted == "fp16" and device == "cpu":
        raise HardwareError("run.precision fp16 has no effect on a CPU; use auto, bf16 or fp32")
    if wanted == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    return wanted  # type: ignore[return-value]


def has_fast_bf16(device: str) -> bool:
    """Whether the device multiplies bf16 in hardware, rather than by emulation."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _unused_gpus(device: str, processes: int) -> tuple[str, ...]:
    import torch

    if device == "cuda" and processes == 1 and torch.cuda.device_count() > 1:
        count = torch.cuda.device_count()
        return (f"1 of {count} GPUs is used; `accelerate launch --multi_gpu -m finetune RECIPE` uses all",)
    return ()


def _no_shards(device: str) -> tuple[str, ...]:
    if shards_weights() and device != "cuda":
        return ("FSDP shards over GPUs only: here each process holds all weights, and trains the same model",)
    return ()


def describe(hardware: Hardware) -> dict[str, Any]:
    """Machine and arithmetic, for the run's record."""
    import torch

    return {
        "device": torch.cuda.get_device_name() if hardware.device_type == "cuda" else hardware.device_type,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": hardware.processes,
        "precision": hardware.precision,
        "platform": platform.platform(),
    }
