"""The two drawn sets, in the look of Microsoft's fridgeObjects: which packages are in which picture.

Every picture has a random number generator of its own, so that it does not depend on those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finetune.data.bundled.arrangement import arranged, nearest_last
from finetune.data.bundled.labels_csv import write_labels_csv
from finetune.data.bundled.packages import PACKAGES, Build
from finetune.data.bundled.photograph import photographed
from finetune.data.bundled.props import prop
from finetune.data.bundled.render import add_reflection, add_shadows, add_thing
from finetune.data.bundled.scene import Scene

CLASSES = tuple(PACKAGES)
_PER_CLASS = (34, 33, 33, 34)
_WITH_OBJECTS = (24, 44, 36, 24)  # pictures of the multi-label set with 1, 2, 3 and 4 packages
_MULTICLASS_SEED, _MULTILABEL_SEED = 134, 128


def write_fridge_objects(folder: Path) -> None:
    """Write 134 pictures of one package each as ``<class>/<number>.jpg`` below `folder`."""
    for class_id, (name, count) in enumerate(zip(CLASSES, _PER_CLASS, strict=True)):
        (folder / name).mkdir()
        for number in range(1, count + 1):
            file = drawn_photograph([name], _generator(_MULTICLASS_SEED, class_id, number))
            (folder / name / f"{number}.jpg").write_bytes(file)


def write_multilabel_fridge_objects(folder: Path) -> None:
    """Write 128 pictures of one to four packages as ``images/<number>.jpg``, and ``labels.csv``, below `folder`."""
    (folder / "images").mkdir()
    counts = np.repeat([1, 2, 3, 4], _WITH_OBJECTS)
    _generator(_MULTILABEL_SEED, 0, 0).shuffle(counts)
    rows = []
    for number, count in enumerate(counts.tolist(), start=1):
        rng = _generator(_MULTILABEL_SEED, 1, number)
        names = [CLASSES[i] for i in rng.permutation(len(CLASSES))[:count]]
        (folder / "images" / f"{number}.jpg").write_bytes(drawn_photograph(names, rng))
        rows.append((f"{number}.jpg", names))
    write_labels_csv(folder / "labels.csv", rows)


def drawn_photograph(names: Sequence[str], rng: np.random.Generator) -> bytes:
    """A JPEG of the packages `names` on the counter, perhaps with a thing or two that nobody asks about."""
    scene = Scene.drawn(rng, distance=1 + 0.13 * (len(names) - 1))
    packages = [PACKAGES[name](Build.drawn(rng), rng) for name in names]
    props = [prop(rng) for _ in range(int(rng.choice([0, 0, 1, 1, 2] if len(names) < 3 else [0, 0, 0, 1])))]
    things = arranged(packages, props, scene, rng)
    picture, wall = scene.empty_picture(rng)
    add_shadows(picture, wall, scene, things)
    for thing in things:
        add_reflection(picture, wall, scene, thing, rng.uniform(0.01, 0.07))
    for index in nearest_last(things, scene):
        add_thing(picture, scene, things[index])
    return photographed(picture, rng)


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(list(key)))
