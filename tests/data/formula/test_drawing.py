"""Images of formulas: the same pixels wherever and with whomever they are drawn."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from finetune.data.formula import FAMILIES, draw

CLASSES, INSTANCES = np.arange(40) % 10, np.arange(40) // 10
DIGESTS = {
    "fractals": "030d245428dc022867ef5e344aef0c6b776d461f09a0650789398dd4f9ef2ff0",
    "contours": "41a69433c47bf688fd4715cc0baea1ca004689d7734a44217eb2652c2ca86df9",
    "mixed": "334a0d8ad74a7388cfc03c66a8b32209fc905b9bfe39f00cfef83915f550fa95",
}


def digest(images: np.ndarray) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_pixels_are_those_of_every_other_machine(family):
    assert digest(draw(family, 5, 48, CLASSES, INSTANCES)) == DIGESTS[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_does_not_depend_on_those_it_is_drawn_with(family):
    together = draw(family, 5, 48, CLASSES, INSTANCES)
    shuffled = np.random.default_rng(0).permutation(40)
    assert np.array_equal(draw(family, 5, 48, CLASSES[shuffled], INSTANCES[shuffled]), together[shuffled])
    alone = [draw(family, 5, 48, CLASSES[i : i + 1], INSTANCES[i : i + 1])[0] for i in (0, 1, 2, 3, 37)]
    assert np.array_equal(alone, together[[0, 1, 2, 3, 37]])


@pytest.mark.parametrize("threads", ["1", "4"])
def test_other_processes_with_other_numbers_of_threads_draw_the_same_bits(threads):
    program = (
        "import hashlib, numpy as np; from concurrent.futures import ThreadPoolExecutor\n"
        "from finetune.data.formula import draw\n"
        "c, i = np.arange(40) % 10, np.arange(40) // 10\n"
        f"with ThreadPoolExecutor({threads}) as pool:\n"
        "    parts = list(pool.map(lambda p: draw('mixed', 5, 48, c[p], i[p]), np.array_split(np.arange(40), 8)))\n"
        "print(hashlib.sha256(np.concatenate(parts).tobytes()).hexdigest())\n"
    )
    settings = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, **settings}
    )
    assert done.stdout.strip() == DIGESTS["mixed"]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_two_images_are_the_same(family):
    images = draw(family, 5, 48, CLASSES, INSTANCES)
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("family", FAMILIES)
def test_another_seed_makes_other_classes(family):
    ours, others = (draw(family, seed, 48, CLASSES, INSTANCES).astype(float) for seed in (5, 6))
    assert np.abs(ours - others).mean(axis=(1, 2, 3)).min() > 1.0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_can_be_told_from_the_others_by_what_its_instances_have_in_common(family):
    """Shapes as grey against the image's most frequent level, averaged over one half of the instances and compared with
    the other half: chance is a tenth."""
    classes, instances = np.repeat(np.arange(10), 60), np.tile(np.arange(60), 10)
    grey = draw(family, 5, 32, classes, instances).astype(float).mean(axis=1)
    shapes = np.abs(grey - np.median(grey, axis=(1, 2), keepdims=True)).reshape(len(grey), -1)
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
    known = instances % 2 == 0
    means = np.stack([shapes[known & (classes == name)].mean(axis=0) for name in range(10)])
    nearest = np.argmax(shapes[~known] @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T, axis=1)
    assert np.mean(nearest == classes[~known]) > 0.3
