"""The two drawn sets, in the look of Microsoft's fridgeObjects: which packages are in which picture.

Every picture has a random number generator of its own, so that it does not depend on those before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from finetune.data.bundled.fridge.arrangement import arranged, nearest_last
from finetune.data.bundled.fridge.build import Build
from finetune.data.bundled.fridge.packages import PACKAGES
from finetune.data.bundled.fridge.photograph import photographed
from finetune.data.bundled.fridge.props import prop
from finetune.data.bundled.fridge.render import add_thing
from finetune.data.bundled.fridge.scene import Scene
from finetune.data.bundled.fridge.shadows import add_reflections, add_shadows
from finetune.data.bundled.labels_csv import write_labels_csv

CLASSES = tuple(PACKAGES)
_Picture = TypeVar("_Picture")
_PER_CLASS = (34, 33, 33, 34)
_WITH_OBJECTS = (24, 44, 36, 24)  # pictures of the multi-label set with 1, 2, 3 and 4 packages
_MULTICLASS_SEED, _MULTILABEL_SEED = 134, 128


def write_fridge_objects(folder: Path) -> None:
    """Write 134 pictures of one package each as ``<class>/<number>.jpg`` below `folder`."""
    pictures = [(name, k) for name, count in zip(CLASSES, _PER_CLASS, strict=True) for k in range(1, count + 1)]
    for name in CLASSES:
        (folder / name).mkdir()
    for (name, number), file in zip(pictures, _drawn(lambda picture: photograph_of(*picture), pictures), strict=True):
        (folder / name / f"{number}.jpg").write_bytes(file)


def write_multilabel_fridge_objects(folder: Path) -> None:
    """Write 128 pictures of one to four packages as ``images/<number>.jpg``, and ``labels.csv``, below `folder`."""
    (folder / "images").mkdir()
    numbers = range(1, sum(_WITH_OBJECTS) + 1)
    rows = [(f"{number}.jpg", packages_in(number)) for number in numbers]
    for (filename, _), file in zip(rows, _drawn(photograph_of_several, numbers), strict=True):
        (folder / "images" / filename).write_bytes(file)
    write_labels_csv(folder / "labels.csv", rows)


def photograph_of(name: str, number: int) -> bytes:
    """The JPEG file ``<name>/<number>.jpg`` of the multi-class set."""
    return drawn_photograph([name], _generator(_MULTICLASS_SEED, CLASSES.index(name), number))


def photograph_of_several(number: int) -> bytes:
    """The JPEG file ``images/<number>.jpg`` of the multi-label set."""
    return drawn_photograph(packages_in(number), _generator(_MULTILABEL_SEED, 1, number))


def packages_in(number: int) -> list[str]:
    """The classes, in no order, of picture `number` (from 1) of the multi-label set."""
    counts = np.repeat([1, 2, 3, 4], _WITH_OBJECTS)
    _generator(_MULTILABEL_SEED, 0, 0).shuffle(counts)
    chosen = _generator(_MULTILABEL_SEED, 2, number).permutation(len(CLASSES))[: counts[number - 1]]
    return [CLASSES[i] for i in chosen]


def _drawn(draw: Callable[[_Picture], bytes], pictures: Iterable[_Picture]) -> Iterator[bytes]:
    """Files in the order of `pictures`; drawn side by side, as each has a generator of its own."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        yield from threads.map(draw, pictures)


def drawn_photograph(names: Sequence[str], rng: np.random.Generator) -> bytes:
    """A JPEG of the packages `names` on the counter, perhaps with a thing or two that nobody asks about."""
    scene = Scene.drawn(rng, distance=1 + 0.09 * (len(names) - 1))
    packages = [PACKAGES[name](Build.drawn(rng), rng) for name in names]
    props = [prop(rng) for _ in range(int(rng.choice([0, 0, 1, 1, 2] if len(names) < 3 else [0, 0, 0, 1])))]
    things = arranged(packages, props, scene, rng)
    picture, wall = scene.empty_picture(rng)
    add_shadows(picture, wall, scene, things)
    add_reflections(picture, wall, scene, things, rng.uniform(0.01, 0.07))
    for index in nearest_last(things, scene):
        add_thing(picture, scene, things[index])
    return photographed(picture, rng)


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(list(key)))
