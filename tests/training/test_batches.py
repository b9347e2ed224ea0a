from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from finetune.training.batches import Draw, GlobalBatches, TrainingImages, choose_workers, training_loader


def drawn(images: int, batch: int, accumulation: int = 1, processes: int = 1, epoch: int = 0) -> list[list[set[int]]]:
    """Indices of each step, merged over accumulation steps, by process."""
    shares = []
    for rank in range(processes):
        sampler = GlobalBatches(images, batch, accumulation, rank, processes, seed=7)
        sampler.set_epoch(epoch)
        pieces = [{draw.image for draw in piece if draw.weight} for piece in sampler]
        steps = [set().union(*pieces[i : i + accumulation]) for i in range(0, len(pieces), accumulation)]
        shares.append(steps)
    return shares


@pytest.mark.parametrize(("accumulation", "processes"), [(1, 1), (4, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("images", [1, 5, 16, 19])
def test_every_image_is_drawn_once_an_epoch_however_it_is_divided(images, accumulation, processes):
    shares = drawn(images, 8, accumulation, processes)
    indices = [index for steps in shares for step in steps for index in step]
    assert sorted(indices) == list(range(images))


@pytest.mark.parametrize(("accumulation", "processes"), [(4, 1), (1, 2), (2, 3)])
def test_a_step_holds_the_same_images_however_it_is_divided(accumulation, processes):
    whole = drawn(19, 8)[0]
    shares = drawn(19, 8, accumulation, processes)
    assert [set().union(*step) for step in zip(*shares, strict=True)] == whole


def test_all_processes_take_the_same_number_of_pieces():
    lengths = {len(list(GlobalBatches(17, 8, 2, rank, 3, seed=0))) for rank in range(3)}
    assert lengths == {6}  # 3 steps of 2 pieces


def test_a_process_without_an_image_gets_padding_of_weight_zero():
    piece = list(GlobalBatches(1, 8, 1, rank=1, processes=2, seed=0))
    assert piece == [[Draw(epoch=0, image=0, copy=0, weight=0.0)]]


def test_the_order_changes_with_the_epoch_and_not_with_the_moment():
    sampler = GlobalBatches(50, 50, seed=3)
    first, again = list(sampler), list(sampler)
    sampler.set_epoch(1)
    assert first == again
    assert [d.image for d in first[0]] != [d.image for d in next(iter(sampler))]


class TwoPictures:
    """Noise that a crop shows the place of."""

    def __len__(self) -> int:
        return 6

    def drawn(self, indices):
        return {}

    def __getitem__(self, index: int):
        from PIL import Image

        return Image.fromarray(np.random.default_rng(index).integers(0, 255, (40, 40, 3), dtype=np.uint8))


def batches_of(workers: int, epoch: int = 0, skip: int = 0, key: str = "pixels") -> list[torch.Tensor]:
    from accelerate import skip_first_batches

    from finetune.pixels import PixelPipeline, TrainingCrop
    from finetune.recipe.augmentation import PRESETS

    pixels = PixelPipeline("squash", 16, None, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    images = TrainingImages(TwoPictures(), np.arange(6), TrainingCrop(PRESETS["light"], pixels), seed=11)
    loader = training_loader(images, GlobalBatches(6, 2, seed=11), workers, pin_memory=False)
    loader.set_epoch(epoch)
    return [batch[key] for batch in (skip_first_batches(loader, skip) if skip else loader)]


def test_crops_are_the_same_from_threads_and_from_worker_processes():
    assert all(torch.equal(a, b) for a, b in zip(batches_of(0), batches_of(2), strict=True))


def test_crops_after_skipping_batches_are_those_of_an_uninterrupted_epoch():
    rest = batches_of(0, skip=2)
    assert len(rest) == 1
    assert torch.equal(rest[0], batches_of(0)[2])


def test_numbers_for_the_device_are_the_same_from_workers_after_skipping_and_differ_between_epochs():
    numbers = batches_of(0, key="draws")
    assert all(np.array_equal(a, b) for a, b in zip(numbers, batches_of(2, key="draws"), strict=True))
    assert np.array_equal(batches_of(0, skip=2, key="draws")[0], numbers[2])
    assert not np.array_equal(batches_of(0, epoch=1, key="draws")[0], numbers[0])
    assert len(np.unique(np.concatenate(numbers), axis=0)) == 6


def test_crops_differ_between_epochs():
    assert not torch.equal(torch.cat(batches_of(0)).sum(), torch.cat(batches_of(0, epoch=1)).sum())


def test_images_leave_the_loader_as_uint8():
    assert batches_of(0)[0].dtype == torch.uint8


def test_auto_gives_loader_processes_to_idle_cores_alone():
    threads, cores = torch.get_num_threads(), len(os.sched_getaffinity(0))
    try:
        torch.set_num_threads(cores)
        assert choose_workers("auto", all_kept=False, device_type="cpu") == 0
        assert choose_workers("auto", all_kept=False, device_type="cuda") == min(8, cores)
        torch.set_num_threads(1)
        assert choose_workers("auto", all_kept=False, device_type="cpu") == min(8, cores - 1)
    finally:
        torch.set_num_threads(threads)


def test_no_workers_while_images_are_kept_and_the_recipe_decides_otherwise():
    assert choose_workers("auto", all_kept=True, device_type="cuda") == 0
    assert choose_workers(3, all_kept=True, device_type="cpu") == 3


# ---------------------------------------------------------------- repeated augmentation


@pytest.mark.parametrize(("accumulation", "processes"), [(1, 1), (2, 3)])
def test_with_repeats_each_image_comes_so_often_and_an_epoch_keeps_its_length(accumulation, processes):
    draws = []
    for rank in range(processes):
        pieces = list(GlobalBatches(30, 8, accumulation, rank, processes, seed=1, repeats=3))
        draws += [(draw.image, draw.copy) for piece in pieces for draw in piece if draw.weight]
    assert len(draws) == len(set(draws)) == 30
    images = {image for image, _ in draws}
    assert len(images) == 10
    assert set(draws) == {(image, copy) for image in images for copy in range(3)}


def test_other_images_are_repeated_in_the_next_epoch():
    sampler = GlobalBatches(30, 8, seed=1, repeats=3)
    seen = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        seen.append({draw.image for piece in sampler for draw in piece})
    assert seen[0] != seen[1]


def test_every_copy_of_an_image_is_varied_anew(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**{"augment.repeats": 3, "augment.erasing": 1.0, "optim.batch_size": 18}))
    (batch,) = trainer.loader
    varied = trainer.vary(batch)["pixels"]
    assert len(varied) == 18
    assert len(batch["images"].unique()) == 6
    assert len(torch.unique(varied.flatten(1), dim=0)) == 18
