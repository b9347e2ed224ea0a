"""The digits that come with scikit-learn, as image files."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from finetune.data.bundled.digits import _sheets, write_digit_sheets, write_digits


def _contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder)
    return folder


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sheets")
    write_digit_sheets(folder)
    return folder


def test_each_digit_is_in_its_class_folder_under_its_index(digits: Path):
    expected = {f"{digit}/{index:04d}.png" for index, digit in enumerate(load_digits().target)}
    assert set(_contents(digits)) == expected
    assert len(expected) == 1797


def test_a_digit_is_64_px_greyscale_and_shrinks_back_to_the_original(digits: Path):
    image = Image.open(digits / "0" / "0000.png")
    assert (image.mode, image.size) == ("L", (64, 64))
    shrunk = np.asarray(image.resize((8, 8), Image.Resampling.BOX)).astype(float) * 16 / 255
    assert np.abs(shrunk - load_digits().images[0]).max() < 4  # of 16: cubic edges are a little softer


def test_writing_twice_gives_the_same_bytes(digits: Path, sheets: Path, tmp_path: Path):
    for write, first in ((write_digits, digits), (write_digit_sheets, sheets)):
        again = tmp_path / write.__name__
        again.mkdir()
        write(again)
        assert _contents(again) == _contents(first)


def test_no_digit_is_on_two_sheets_and_none_is_left_out():
    dealt = _sheets(1797, np.random.Generator(np.random.PCG64(1)))
    assert sorted(index for sheet in dealt for index in sheet.values()) == list(range(1797))
    assert {len(sheet) for sheet in dealt} == {1, 2, 3, 4}


def test_labels_csv_names_the_distinct_digits_of_every_sheet(sheets: Path):
    text = (sheets / "labels.csv").read_bytes().decode()
    assert "\r" not in text
    rows = list(csv.DictReader(text.splitlines()))
    assert list(rows[0]) == ["filename", "labels"]
    assert [row["filename"] for row in rows] == [f"{number:04d}.png" for number in range(720)]
    assert {path.name for path in (sheets / "images").iterdir()} == {row["filename"] for row in rows}
    labels = [row["labels"].split(" ") for row in rows]
    assert all(1 <= len(names) == len(set(names)) <= 4 for names in labels)
    assert {name for names in labels for name in names} == set("0123456789")


def test_a_sheet_is_64_px_with_as_many_filled_cells_as_were_dealt(sheets: Path):
    filled = []
    for number in range(4):
        image = Image.open(sheets / "images" / f"{number:04d}.png")
        assert (image.mode, image.size) == ("L", (64, 64))
        cells = np.asarray(image).reshape(2, 32, 2, 32)
        filled.append(int((cells.max(axis=(1, 3)) > 0).sum()))
    assert filled == [1, 2, 3, 4]
