import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from finetune.data.sight import near
from finetune.data.sight.glance import GLANCE, glance, glances
from finetune.data.sight.near import near_pairs


def pairs(*pictures):
    return near_pairs(glances([glance(picture) for picture in pictures])).tolist()


def as_jpeg(picture, quality):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize("copy", [
    lambda picture: picture.resize((160, 120), Image.Resampling.BICUBIC),
    lambda picture: picture.resize((224, 224), Image.Resampling.LANCZOS),
    lambda picture: as_jpeg(picture, 50),
    lambda picture: as_jpeg(picture, 20),
    lambda picture: as_jpeg(picture.resize((100, 75)), 50),
    lambda picture: picture.point(lambda value: int(0.8 * value)),
], ids=["halved", "squared", "JPEG 50", "JPEG 20", "small JPEG", "darker"])  # fmt: skip
def test_a_copy_is_found_among_other_pictures(scene, copy):
    assert pairs(scene(0), scene(1), copy(scene(0)), scene(2)) == [[0, 2]]


def test_other_pictures_mirror_images_and_other_colours_are_no_copies(scene):
    picture = scene(0)
    red, green, blue = picture.split()
    other_colours = Image.merge("RGB", (blue, red, green))
    assert pairs(picture, ImageOps.mirror(picture), other_colours, scene(1)) == []


def test_plain_pictures_are_not_compared():
    assert pairs(*[Image.new("RGB", (50, 50), "black")] * 5, Image.new("RGB", (50, 50), "white")) == []


@pytest.mark.parametrize("block", [7, 2048])
def test_every_pair_of_hashes_within_the_distance_is_met_once_and_no_other(monkeypatch, block):
    monkeypatch.setattr(near, "_BLOCK", block)
    draws = np.random.default_rng(0)
    hashes = draws.integers(0, 2**64, 40, np.uint64)
    flips = [sum(1 << int(bit) for bit in draws.choice(64, count, False)) for count in range(12)]
    items = of_hashes(np.concatenate([hashes, *(hashes[:8] ^ np.uint64(flip) for flip in flips)]))
    items["thumbnail"] = draws.integers(0, 255, (8, 8, 3))
    apart = np.bitwise_count(items["hash"][:, None] ^ items["hash"])
    expected = np.argwhere(np.triu(apart <= 7, 1)).tolist()
    assert len(expected) > 100
    assert near_pairs(items).tolist() == expected


def test_thousands_of_equal_hashes_are_searched_in_blocks():
    items = of_hashes(np.zeros(3000, np.uint64))
    items["thumbnail"] = np.random.default_rng(0).integers(0, 255, (3000, 8, 8, 3))
    items["thumbnail"][2900] = items["thumbnail"][5]
    assert near_pairs(items).tolist() == [[5, 2900]]


def test_of_too_many_pairs_those_with_the_most_alike_are_kept(monkeypatch):
    monkeypatch.setattr(near, "_MANY", 1000)
    items = of_hashes(np.arange(200, dtype=np.uint64))  # apart by the last byte alone
    draws = np.random.default_rng(0)
    items["thumbnail"] = draws.integers(0, 250, (8, 8, 3))
    items["thumbnail"][100:] = items["thumbnail"][100:] + draws.integers(0, 4, (100, 8, 8, 3)).astype(np.uint8)
    found = near_pairs(items)
    assert set(found.ravel().tolist()) == set(range(200))
    assert 1000 < len(found) < 200 * 199 / 4
    among_equals = found[(found < 100).all(1)]
    assert np.bincount(among_equals.ravel(), minlength=100).min() >= 10


def test_thousands_of_pictures_of_one_scene_are_each_paired_with_one_of_them():
    items = of_hashes(np.zeros(5000, np.uint64))
    draws = np.random.default_rng(0)
    items["thumbnail"] = draws.integers(0, 250, (8, 8, 3)) + draws.integers(0, 4, (5000, 8, 8, 3))
    items["thumbnail"][::2] = items["thumbnail"][::2, ::-1]
    assert near_pairs(items).tolist() == [[start, row] for start in (0, 1) for row in range(start + 2, 5000, 2)]


def of_hashes(hashes):
    items = np.zeros(len(hashes), GLANCE)
    items["hash"], items["contrast"] = hashes, 50
    return items


def test_no_pictures_have_no_copies():
    assert near_pairs(np.zeros(0, GLANCE)).shape == (0, 2)
