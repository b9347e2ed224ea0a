"""Where things are: standing or lying, here or there, partly hidden or partly out of the picture.

Nothing here knows what a thing is, so that place, size and pose say nothing about its class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from finetune.data.bundled.fridge.camera import HEIGHT_PX, WIDTH_PX
from finetune.data.bundled.fridge.frames import Array, Frame, turn
from finetune.data.bundled.fridge.scene import Scene
from finetune.data.bundled.fridge.shadows import silhouette
from finetune.data.bundled.fridge.thing import Thing

_SHRINK = 6
_Pose = Callable[[Thing, Scene, np.random.Generator], Thing]
_RESTARTS, _TRIES = 40, 60
_IN_SIGHT = 0.65


def arranged(
    packages: Sequence[Thing], props: Sequence[Thing], scene: Scene, rng: np.random.Generator
) -> tuple[Thing, ...]:
    """Put packages and props on the counter so that each package can still be told.

    Returns:
        The things at their places, packages first, in the order given; a prop that finds no room is left out. They do
        not run into each other, and two thirds of each package are seen, a little less where it is crowded.
    Raises:
        RuntimeError: no such arrangement was found, which the sizes in use rule out.
    """
    for restart in range(_RESTARTS):
        # Where large things crowd a near counter, a little less of them must do.
        sight = (_IN_SIGHT * (1 - 0.5 * restart / _RESTARTS), len(packages))
        placed: list[Thing] = []
        for thing in packages:
            _place(thing, placed, sight, scene, rng, _posed)
        if len(placed) == len(packages):
            for thing in props:
                _place(thing, placed, sight, scene, rng, _upright)
            return tuple(placed)
    raise RuntimeError(f"{len(packages)} packages do not fit on the counter")


def _place(
    thing: Thing, placed: list[Thing], sight: tuple[float, int], scene: Scene, rng: np.random.Generator, pose: _Pose
) -> None:
    """Append `thing` to `placed` at the first place drawn that leaves the packages in sight, or give up.

    Args:
        sight: What share of each package must be seen, and how many of the first things are packages.
    """
    share, packages = sight
    for _ in range(_TRIES):
        candidate = pose(thing, scene, rng)
        if candidate.outline[..., 1].max() > scene.wall_y - 0.2 or any(candidate.collides(other) for other in placed):
            continue
        if min(_visible([*placed, candidate], scene)[:packages]) > share:
            placed.append(candidate)
            return


def _spot(scene: Scene, rng: np.random.Generator) -> tuple[float, float]:
    """A place in front of the camera; the farther away that is, the wider what it sees."""
    x, y, z = scene.camera.position.tolist()
    return 0.4 * x + rng.uniform(-0.28, 0.28) * math.hypot(y, z), rng.uniform(-5, scene.wall_y - 2)


def _upright(thing: Thing, scene: Scene, rng: np.random.Generator) -> Thing:
    x, y = _spot(scene, rng)
    return thing.at(Frame(turn(2, rng.uniform(-math.pi, math.pi)), np.array([x, y, 0.0])))


def _posed(thing: Thing, scene: Scene, rng: np.random.Generator) -> Thing:
    """Standing, or lying with its top to the left or to the right, more or less sideways."""
    x, y = _spot(scene, rng)
    if rng.random() < 0.6:
        return thing.at(Frame(turn(2, rng.uniform(-0.9, 0.9) + math.pi * int(rng.integers(2))), np.array([x, y, 0.0])))
    # A quarter turn about its own axis lays a box on one of its sides.
    own = turn(2, math.pi / 2 * int(rng.integers(4)))
    # With its top far behind its bottom, a carton would be a mere box: it leans towards the viewer rather than away.
    lean = rng.uniform(-0.95, 0.3)
    heading = lean if rng.random() < 0.5 else math.pi - lean
    rotation = turn(2, heading) @ turn(1, math.pi / 2) @ own
    middle = rotation @ np.array([0.0, 0.0, thing.height / 2])
    return thing.at(Frame(rotation, np.array([x - middle[0], y - middle[1], thing.radius])))


def _visible(things: Sequence[Thing], scene: Scene) -> list[float]:
    """The share of each thing that is neither hidden nor outside the picture."""
    order = nearest_last(things, scene)
    hidden = np.zeros((-(-HEIGHT_PX // _SHRINK), -(-WIDTH_PX // _SHRINK)), bool)
    shares = [0.0] * len(things)
    for index in reversed(order):
        quads = things[index].outline
        mask = np.asarray(silhouette(scene.camera, quads, _SHRINK)) > 0
        shares[index] = float((mask & ~hidden).sum()) / max(1, int(mask.sum())) * _within(scene, quads)
        hidden |= mask
    return shares


def _within(scene: Scene, quads: Array) -> float:
    """The share of world quads (N, 4, 3) whose middle is in the picture."""
    x, y = scene.camera.project(quads.mean(1)).T
    return float(((x > 0) & (x < WIDTH_PX) & (y > 0) & (y < HEIGHT_PX)).mean())


def nearest_last(things: Sequence[Thing], scene: Scene) -> list[int]:
    """Indices of `things`, the one farthest from the camera first."""
    eye = scene.camera.position[:2]
    away = [float(np.hypot(*(thing.footprint[:, :2].mean(0) - eye))) for thing in things]
    return sorted(range(len(things)), key=lambda index: -away[index])
