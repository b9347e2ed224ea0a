"""The one forward pass: right, in order, the same however images are divided, and without traces in the model."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DeiTConfig, DeiTForImageClassificationWithTeacher

from finetune.errors import DataError
from finetune.predict import score, whole_batches

BATCH = 16  # the smallest pass from which a CPU's kernels round every row alike, also for three classes


def plainly(loaded, images) -> np.ndarray:
    """Logits by the shortest road: all images in one forward pass."""
    batch = torch.from_numpy(np.stack([loaded.pixels.to_uint8(image) for image in images]))
    with torch.inference_mode():
        return loaded.model(pixel_values=loaded.pixels.normalise(batch)).logits.numpy()


@pytest.mark.parametrize("batch_size", [1, 4, 11, 50])
def test_logits_are_those_of_a_plain_forward_pass_in_the_order_of_the_images(loaded, images, batch_size):
    logits = score(loaded.model, images, loaded.pixels, batch_size=batch_size, device="cpu")
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, plainly(loaded, images), atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("rows", [slice(0, 1), slice(3, 9), slice(0, 11, 2), slice(10, None, -1)])
def test_an_image_scores_the_same_to_the_last_bit_whatever_comes_with_it(loaded, images, rows, precision):
    def scored(some):
        return score(loaded.model, some, loaded.pixels, batch_size=BATCH, device="cpu", precision=precision)

    np.testing.assert_array_equal(scored(images[rows]), scored(images)[rows])


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_processes_that_take_whole_batches_agree_with_one_to_the_last_bit(loaded, images, processes, batch_size):
    def scored(some):
        return score(loaded.model, some, loaded.pixels, batch_size=batch_size, device="cpu")

    shares = [whole_batches(len(images), batch_size, part, processes) for part in range(processes)]
    assert [index for share in shares for index in share] == list(range(len(images)))
    together = np.concatenate([scored([images[i] for i in share]) for share in shares])
    np.testing.assert_array_equal(together, scored(images))


def test_no_images_give_no_rows(loaded):
    assert score(loaded.model, [], loaded.pixels, batch_size=4, device="cpu").shape == (0, 3)


def test_a_distilled_model_gives_the_mean_of_its_heads(images, loaded):
    config = DeiTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8
    )
    model = DeiTForImageClassificationWithTeacher(config).eval()
    batch = loaded.pixels.normalise(torch.from_numpy(loaded.pixels.to_uint8(images[0])[None]))
    with torch.inference_mode():
        outputs = model(pixel_values=batch)
    mean = (outputs.cls_logits + outputs.distillation_logits) / 2
    logits = score(model, images[:1], loaded.pixels, batch_size=1, device="cpu")
    np.testing.assert_allclose(logits, mean.numpy(), atol=1e-6)


def test_bf16_is_used_only_where_it_is_asked_for(loaded, images):
    full = score(loaded.model, images, loaded.pixels, batch_size=4, device="cpu")
    half = score(loaded.model, images, loaded.pixels, batch_size=4, device="cpu", precision="bf16")
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).max() < 0.1 * np.abs(full).max()


def test_fp32_is_fp32_inside_a_bf16_autocast_and_for_a_model_that_accelerate_prepared_for_bf16(loaded, images):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    expected = score(loaded.model, images, loaded.pixels, batch_size=4, device="cpu")
    AcceleratorState._reset_state(reset_partial_state=True)  # whatever trained before in this process
    try:
        prepared = Accelerator(mixed_precision="bf16", cpu=True).prepare(loaded.model)
        forward = prepared.forward
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = score(prepared, images, loaded.pixels, batch_size=4, device="cpu")
        assert prepared.forward is forward
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    np.testing.assert_array_equal(found, expected)


def test_dropout_is_off_while_scoring_and_each_module_keeps_its_own_mode(make_model, images):
    loaded = make_model(hidden_dropout_prob=0.5)
    expected = plainly(loaded, images)
    loaded.model.train()
    loaded.model.vit.embeddings.eval()  # as somebody leaves it who trains only the rest
    np.testing.assert_allclose(
        score(loaded.model, images, loaded.pixels, batch_size=4, device="cpu"), expected, atol=1e-5
    )
    assert loaded.model.training
    assert loaded.model.vit.layers[0].training
    assert not loaded.model.vit.embeddings.training


def test_the_mode_comes_back_and_the_threads_end_after_an_image_that_cannot_be_read(loaded, images):
    class Broken:
        def __len__(self) -> int:
            return 100

        def __getitem__(self, index: int) -> Image.Image:
            if index == 9:
                raise DataError("10.jpg: truncated")
            return images[0]

    loaded.model.train()
    with pytest.raises(DataError, match=r"10\.jpg: truncated"):
        score(loaded.model, Broken(), loaded.pixels, batch_size=4, device="cpu")
    assert loaded.model.training
    deadline = time.monotonic() + 5
    while any("ThreadPoolExecutor" in thread.name for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any("ThreadPoolExecutor" in thread.name for thread in threading.enumerate())


def test_images_are_read_a_few_batches_ahead_and_not_all_at_once(loaded, images):
    asked: list[int] = []
    ahead: list[int] = []

    class Counted:
        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> Image.Image:
            asked.append(index)
            return images[0]

    def on_batch(count: int) -> None:
        ahead.append(max(asked) + 1)

    score(loaded.model, Counted(), loaded.pixels, batch_size=4, device="cpu", on_batch=on_batch)
    assert all(read <= 4 * (done + 2) for done, read in enumerate(ahead, start=1))
    assert sorted(asked) == list(range(40))


def test_progress_counts_images_and_not_the_filling(loaded, images):
    counts: list[int] = []
    score(loaded.model, images, loaded.pixels, batch_size=4, device="cpu", on_batch=counts.append)
    assert counts == [4, 4, 3]


def test_gradients_are_not_kept(loaded, images):
    score(loaded.model, images, loaded.pixels, batch_size=4, device="cpu")
    assert all(parameter.grad is None for parameter in loaded.model.parameters())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_flip_gives_the_mean_of_the_logits_of_an_image_and_its_mirror_image(loaded, images, precision):
    square = [image.resize((32, 32)) for image in images]  # the model's size, so that the pipeline leaves every pixel
    mirrored = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in square]

    def scored(some, **options):
        return score(loaded.model, some, loaded.pixels, batch_size=4, device="cpu", precision=precision, **options)

    flipped = scored(square, flip=True)
    np.testing.assert_array_equal(flipped, (scored(square) + scored(mirrored)) / 2)
    np.testing.assert_array_equal(flipped, scored(mirrored, flip=True))
    assert np.abs(flipped - scored(square)).max() > 0.01
