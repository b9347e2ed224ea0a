"""The drawn sets are laid out as the real ones are, are always the same, and cannot be told by colour or place."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from finetune.data.bundled.fridge.sets import CLASSES, photograph_of, photograph_of_several


def _rows(root: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((root / "labels.csv").read_bytes().decode().split("\n")))


def test_the_multiclass_set_has_134_numbered_pictures_in_four_class_folders(fridge_objects: Path):
    counts = {"can": 34, "carton": 33, "milk_bottle": 33, "water_bottle": 34}
    expected = {f"{name}/{number}.jpg" for name, count in counts.items() for number in range(1, count + 1)}
    assert len(expected) == 134
    assert {path.relative_to(fridge_objects).as_posix() for path in fridge_objects.rglob("*.*")} == expected


def test_the_multilabel_set_has_128_pictures_with_one_to_four_labels(multilabel_fridge_objects: Path):
    rows = _rows(multilabel_fridge_objects)
    assert [row["filename"] for row in rows] == [f"{number}.jpg" for number in range(1, 129)]
    assert {path.name for path in (multilabel_fridge_objects / "images").iterdir()} == {r["filename"] for r in rows}
    labels = [row["labels"].split(" ") for row in rows]
    assert Counter(map(len, labels)) == {1: 24, 2: 44, 3: 36, 4: 24}
    assert all(len(names) == len(set(names)) for names in labels)
    each = Counter(name for names in labels for name in names)
    assert set(each) == set(CLASSES)
    assert min(each.values()) > 64


def test_labels_are_joined_with_one_space_unsorted_as_in_the_real_table(multilabel_fridge_objects: Path):
    text = (multilabel_fridge_objects / "labels.csv").read_bytes().decode()
    assert text.startswith("filename,labels\n1.jpg,")
    assert text.endswith("\n")
    assert "\r" not in text
    assert "  " not in text
    labels = [row["labels"].split(" ") for row in _rows(multilabel_fridge_objects)]
    assert any(names != sorted(names) for names in labels)


def test_every_picture_is_an_rgb_jpeg_of_499_by_666_px(fridge_objects: Path, multilabel_fridge_objects: Path):
    for path in [*fridge_objects.rglob("*.jpg"), *multilabel_fridge_objects.rglob("*.jpg")]:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (499, 666)), path


def test_drawing_again_gives_the_same_bytes(fridge_objects: Path, multilabel_fridge_objects: Path):
    for name in CLASSES:
        for number in (1, 17):
            assert photograph_of(name, number) == (fridge_objects / name / f"{number}.jpg").read_bytes()
    for number in (1, 60, 128):
        path = multilabel_fridge_objects / "images" / f"{number}.jpg"
        assert photograph_of_several(number) == path.read_bytes()


def test_no_two_pictures_are_the_same(fridge_objects: Path, multilabel_fridge_objects: Path):
    files = [*fridge_objects.rglob("*.jpg"), *multilabel_fridge_objects.rglob("*.jpg")]
    assert len({path.read_bytes() for path in files}) == 134 + 128


def _colour_histogram(image: Image.Image) -> np.ndarray:
    """Shares of 8 × 8 × 8 colours, (512,)."""
    r, g, b = (np.asarray(band) >> 5 for band in image.split())
    return np.bincount((r.astype(int) * 64 + g * 8 + b).ravel(), minlength=512) / r.size


def _small_pixels(image: Image.Image) -> np.ndarray:
    """32 × 32 pixels in colour, (3072,)."""
    return np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)).ravel() / 255


@pytest.mark.parametrize("features", [_colour_histogram, _small_pixels])
def test_colours_and_places_do_not_give_the_class_away(fridge_objects: Path, features):
    paths = sorted(fridge_objects.rglob("*.jpg"))
    rows = []
    for path in paths:
        with Image.open(path) as image:
            rows.append(features(image))
    baseline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    accuracy = cross_val_score(baseline, np.array(rows), [path.parent.name for path in paths], cv=folds).mean()
    print(f"{features.__name__.strip('_')}: {accuracy:.3f}")
    assert accuracy < 0.65
