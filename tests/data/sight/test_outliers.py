import numpy as np
import pytest
from PIL import Image, ImageFilter

import finetune.data.sight.outliers as module
from finetune.data.sight.glance import GLANCE, glance, glances
from finetune.data.sight.outliers import FEWEST, outliers


@pytest.fixture
def kinds(scene):
    """``kinds(picture)``: what is found, by kind, among 24 ordinary pictures and those at the end."""

    def look(*added, ordinary=24, size=(320, 240)):
        pictures = [*(scene(seed, size) for seed in range(ordinary)), *added]
        widths, heights = zip(*(picture.size for picture in pictures), strict=True)
        found = outliers(glances([glance(picture) for picture in pictures]), widths, heights)
        return {unlike.kind: [row - ordinary for row in unlike.rows] for unlike in found}

    return look


def test_ordinary_pictures_are_not_unlike_each_other(kinds):
    assert kinds(ordinary=60) == {}


@pytest.mark.parametrize(("kind", "change"), [
    ("plain", lambda picture: Image.new("RGB", picture.size)),
    ("dark", lambda picture: picture.point(lambda value: value // 6)),
    ("light", lambda picture: picture.point(lambda value: 215 + value // 7)),
    ("blurred", lambda picture: picture.filter(ImageFilter.GaussianBlur(5))),
    ("grey", lambda picture: picture.convert("L").convert("RGB")),
    ("small", lambda picture: picture.resize((80, 60))),
    ("long", lambda picture: picture.resize((640, 100))),
])  # fmt: skip
def test_a_changed_picture_is_found_and_nothing_else(kinds, scene, kind, change):
    assert kinds(change(scene(100))) == {kind: [0]}


@pytest.mark.parametrize("block", [7, 1024])
def test_a_picture_of_something_else_is_odd_even_with_a_copy(monkeypatch, block):
    monkeypatch.setattr(module, "_BLOCK", block)
    draws = np.random.default_rng(0)
    items = np.zeros(60, GLANCE)
    items["contrast"], items["chroma"], items["highlights"] = 50, 50, 200
    items["thumbnail"] = draws.integers(0, 255, (1, 8, 8, 3)) * 0.5 + draws.normal(60, 8, (60, 8, 8, 3))
    items["thumbnail"][[20, 40]] = draws.integers(0, 255, (8, 8, 3))
    found = outliers(items, [224] * 60, [224] * 60)
    assert [(unlike.kind, unlike.rows) for unlike in found] == [("odd", [20, 40])]


def test_of_a_few_pictures_none_is_called_unlike_the_rest_but_a_plain_one_is_plain(kinds, scene):
    dark = scene(100).point(lambda value: value // 6)
    assert kinds(dark, Image.new("RGB", (9, 9), "white"), ordinary=FEWEST - 3) == {"plain": [1]}


def test_upright_and_lying_pictures_may_be_mixed(kinds, scene):
    assert kinds(*(scene(seed, (240, 320)) for seed in range(100, 103))) == {}


def test_small_pictures_are_compared_with_small_ones(kinds, scene):
    small = [scene(seed, (64, 48)) for seed in range(100, 124)]
    assert "blurred" not in kinds(*small)
    assert kinds(*small, small[0].filter(ImageFilter.GaussianBlur(3)))["blurred"] == [24]


def test_a_picture_of_equally_bright_colours_is_not_plain(kinds):
    red_and_green = Image.new("RGB", (40, 30), (200, 60, 60))
    red_and_green.paste((43, 140, 60), (0, 0, 20, 30))
    assert np.asarray(red_and_green.convert("L")).std() < 1
    assert kinds(red_and_green, ordinary=3) == {}


def test_where_a_tenth_is_grey_that_is_no_accident(kinds, scene):
    assert kinds(*(scene(seed).convert("L").convert("RGB") for seed in range(100, 104))) == {}


def test_no_pictures_are_unlike_nothing():
    assert outliers(glances([]), [], []) == []
