from __future__ import annotations

import pytest
import torch

from finetune.errors import HardwareError
from finetune.training.hardware import Hardware, choose_hardware, has_fast_bf16


def test_auto_takes_bf16_exactly_where_the_processor_has_it(recipe_for):
    expected = "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"
    assert choose_hardware(recipe_for(**{"run.precision": "auto", "run.device": "cpu"})).precision == expected
    assert has_fast_bf16("cpu") == (expected == "bf16")


def test_fp16_on_a_cpu_is_refused_because_it_does_nothing_there(recipe_for):
    with pytest.raises(HardwareError, match=r"run\.precision fp16 has no effect on a CPU; use auto, bf16 or fp32"):
        choose_hardware(recipe_for(**{"run.precision": "fp16", "run.device": "cpu"}))


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("ACCELERATE_USE_FSDP", "version 1 of FSDP, whose weights exist only while its own wrapper runs"),
        ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed, which under bf16 rounds the model itself to 16 bits"),
    ],
)
def test_sharding_that_goes_wrong_is_refused_with_the_reason_and_a_way_out(recipe_for, monkeypatch, variable, reason):
    monkeypatch.setenv(variable, "true")
    with pytest.raises(HardwareError, match=rf"configured for {reason}.*; fsdp_version: 2 in .* `accelerate launch"):
        choose_hardware(recipe_for())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optim.ema_decay", 0.9),
        ("optim.unfreeze_every_epochs", 1.0),
        ("model.train", "lora"),
        ("optim.optimizer", "muon"),
    ],
)
def test_what_needs_whole_weights_is_refused_beside_shards(recipe_for, monkeypatch, key, value):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    with pytest.raises(HardwareError, match=f"configured for FSDP, and the recipe asks for {key}.*with whole weights"):
        choose_hardware(recipe_for(**{key: value}))


def test_sharding_that_has_no_effect_on_a_cpu_is_said(recipe_for, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    notes = choose_hardware(recipe_for(**{"run.device": "cpu"})).notes
    assert notes == ("FSDP shards over GPUs only: here each process holds all weights, and trains the same model",)


@pytest.mark.parametrize(
    ("device", "precision", "wanted", "attention"),
    [
        ("cpu", "bf16", "auto", "eager"),
        ("cpu", "fp32", "auto", "sdpa"),
        ("cuda", "bf16", "auto", "sdpa"),
        ("cuda", "bf16", "eager", "eager"),
        ("cpu", "bf16", "sdpa", "sdpa"),
    ],
)
def test_attention_is_eager_where_that_is_faster(device, precision, wanted, attention):
    assert Hardware(device, precision, 0, 1).attention(wanted) == attention
