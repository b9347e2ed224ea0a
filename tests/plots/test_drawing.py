"""Figures from plain values, also from awkward ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image

from finetune.plots import Tile, confusion_matrix, curves, grouped_bars, image_and_scores, image_grid, rate_curve


def test_a_value_that_is_missing_leaves_a_gap():
    history = [
        {"step": i, "epoch": i, "train_loss": None, "validation": {"mAP": [0.1, None, 0.3][i]}} for i in range(3)
    ]
    (line,) = curves(history, ["mAP"]).axes[1].get_lines()
    assert [str(float(y)) for y in line.get_ydata()] == ["0.1", "nan", "0.3"]


def test_names_with_dollars_and_long_names_are_drawn_as_text():
    figure = confusion_matrix([[1, 0], [0, 1]], ["$5$ bill", "x" * 100])
    figure._repr_png_()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [r"\$5\$ bill", "x" * 27 + "…"]


@pytest.mark.parametrize("classes", [1, 2, 50, 300])
def test_a_confusion_matrix_stays_readable_with_any_number_of_classes(classes):
    matrix = [[int(i == j) for j in range(classes)] for i in range(classes)]
    figure = confusion_matrix(matrix, [f"class {i}" for i in range(classes)])
    assert len(figure.axes[0].get_xticks()) <= 40
    assert len(figure.axes[0].texts) == (classes**2 if classes <= 20 else 0)


def test_a_class_that_has_no_images_is_a_white_row():
    figure = confusion_matrix([[0, 0], [1, 3]], ["a", "b"])
    assert figure.axes[0].images[0].get_array().tolist() == [[0, 0], [0.25, 0.75]]


def test_a_score_without_a_value_has_no_bar():
    figure = grouped_bars(["a", "b"], {"precision": [None, 0.5]}, "x")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.0, 0.5]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_grid_has_a_place_for_each_image(count):
    figure = image_grid([Tile(Image.new("RGB", (2000, 10)), f"image {i}", True) for i in range(count)])
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [f"image {i}" for i in range(count)]
    assert all(image.get_array().shape[1] <= 320 for axes in figure.axes for image in axes.images)


def test_predicted_classes_stand_out():
    figure = image_and_scores(Image.new("RGB", (9, 9)), [("a", 0.9), ("b", 0.1)], ["a"], 0.5, "a$b.jpg")
    first, second = figure.axes[1].patches
    assert first.get_facecolor() != second.get_facecolor()
    figure._repr_png_()


def test_drawing_leaves_pyplot_alone():
    program = (
        "import sys; from finetune.plots import grouped_bars; grouped_bars(['a'], {'n': [1.0]}, 'x')._repr_png_(); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said == "False\n"


@pytest.mark.parametrize(
    ("chosen", "title", "labels"),
    [
        (2.1e-4, "suggested learning rate: 2.1e-4", ["each step", "smoothed", "suggested"]),
        (None, "no learning rate suggested", ["each step", "smoothed"]),
    ],
)
def test_the_curve_of_a_range_test_says_what_it_suggests(chosen, title, labels):
    (axes,) = rate_curve([1e-5, 1e-4, 1e-3], [2.0, 1.0, 9.0], [2.0, 1.5, 4.0], chosen).axes
    assert axes.get_title() == title
    assert [text.get_text() for text in axes.get_legend().get_texts()] == labels
