"""The two drawn sets, in the look of Microsoft's fridgeObjects: which packages are in which picture.

Every picture has a random number generator of its own, so that it does not depend on those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
_PER_CLASS = (34, 33, 33, 34)
_WITH_OBJECTS = (24, 44, 36, 24)  # pictures of the multi-label set with 1, 2, 3 and 4 packages
_MULTICLASS_SEED, _MULTILABEL_SEED = 134, 128


def write_fridge_objects(folder: Path) -> None:
    """Write 134 pictures of one package each as ``<class>/<number>.jpg`` below `folder`."""
    for name, count in zip(CLASSES, _PER_CLASS, strict=True):
        (folder / name).mkdir()
        for number in range(1, count + 1):
            (folder / name / f"{number}.jpg").write_bytes(photograph_of(name, number))


def write_multilabel_fridge_objects(folder: Path) -> None:
    """Write 128 pictures of one to four packages as ``images/<number>.jpg``, and ``labels.csv``, below `folder`."""
    (folder / "images").mkdir()
    rows = []
    for number in range(1, sum(_WITH_OBJECTS) + 1):
        (folder / "images" / f"{number}.jpg").write_bytes(photograph_of_several(number))
        rows.append((f"{number}.jpg", packages_in(number)))
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
