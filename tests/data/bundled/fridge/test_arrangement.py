"""Packages stand apart, and enough of each is seen."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from finetune.data.bundled.fridge.arrangement import _visible, arranged, nearest_last
from finetune.data.bundled.fridge.build import Build
from finetune.data.bundled.fridge.frames import Frame
from finetune.data.bundled.fridge.packages import PACKAGES
from finetune.data.bundled.fridge.props import prop
from finetune.data.bundled.fridge.scene import Scene


@pytest.mark.parametrize("seed", range(4))
def test_four_packages_find_room_and_stay_in_sight_with_a_prop_if_it_fits(seed: int):
    rng = np.random.Generator(np.random.PCG64(seed))
    scene = Scene.drawn(rng, distance=1.3)
    packages = [make(Build.drawn(rng), rng) for make in PACKAGES.values()]
    things = arranged(packages, [prop(rng)], scene, rng)
    assert len(things) in (4, 5)
    assert not any(one.collides(other) for one, other in combinations(things, 2))
    assert min(_visible(things, scene)[:4]) > 0.6
    assert all(thing.outline[..., 1].max() < scene.wall_y for thing in things), "in front of the cloth"
    assert all(thing.outline[..., 2].min() > -0.5 for thing in things), "on the counter"


def test_the_farthest_thing_is_drawn_first():
    rng = np.random.Generator(np.random.PCG64(5))
    scene = Scene.drawn(rng)
    can = PACKAGES["can"](Build.drawn(rng), rng)
    depths = (2.0, 9.0, -4.0)
    things = [can.at(Frame(origin=np.array([0.0, y, 0.0]))) for y in depths]
    assert nearest_last(things, scene) == [1, 0, 2]


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_package_is_as_high_and_as_wide_as_it_says(name: str):
    rng = np.random.Generator(np.random.PCG64(1))
    build = Build.drawn(rng)
    thing = PACKAGES[name](build, rng)
    low, high = thing.outline.reshape(-1, 3).min(0), thing.outline.reshape(-1, 3).max(0)
    assert low[2] == pytest.approx(0, abs=1e-6)
    assert high[2] == pytest.approx(build.height, rel=0.02)
    assert high[0] == pytest.approx(build.radius, rel=0.12)
