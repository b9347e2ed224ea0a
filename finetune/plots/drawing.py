"""Plain values to matplotlib figures. Nothing here knows a run, and pyplot's global state is not touched."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from finetune.recipe.words import number

BLUE, GREEN, RED, GREY = "#2f6fb4", "#2e8b57", "#c0392b", "#9aa5b1"
_MANY = (BLUE, RED, GREEN, "#b8860b", "#7d4fa8", "#3aa6a6", "#d0719e", "#6b705c")
_TILE_PX = 320


class Drawing(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=90)
        return file.getvalue()


class Tile(NamedTuple):
    """An image with its caption; ``right`` colours the caption where there is something to be right about."""

    image: Image.Image
    caption: str
    right: bool | None = None


def curves(history: Sequence[Mapping[str, Any]], metrics: Sequence[str], saved_step: int | None = None) -> Drawing:
    """Losses on the left, validation metrics on the right, over epochs.

    Args:
        history: The lines of ``history.jsonl``.
        metrics: Names of validation metrics.
        saved_step: The step whose weights were saved; it is marked.
    """
    figure = _figure(10, 3.6)
    left, right = figure.subplots(1, 2)
    epochs = [line["epoch"] for line in history]
    _line(left, epochs, [line.get("train_loss") for line in history], "training", GREY)
    _line(left, epochs, [_validation(line, "loss") for line in history], "validation", BLUE)
    for metric, colour in zip(metrics, (BLUE, GREEN, RED, GREY), strict=False):
        _line(right, epochs, [_validation(line, metric) for line in history], metric, colour)
    for axes, title in ((left, "loss"), (right, "validation")):
        for line in history:
            if line["step"] == saved_step:
                axes.axvline(line["epoch"], color="black", linewidth=1, linestyle=":", label="saved model")
        axes.set(title=title, xlabel="epoch")
        if axes.get_lines():
            axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def confusion_matrix(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> Drawing:
    """How often each true class (row) was taken for each class (column); shades are shares of a row."""
    shares = [[count / (sum(row) or 1) for count in row] for row in matrix]
    side = min(12.0, 2.2 + 0.45 * len(names))
    figure = _figure(side + 0.6, side)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    every = math.ceil(len(names) / 40)
    ticks = list(range(0, len(names), every))
    axes.set_xticks(ticks, [_text(names[i]) for i in ticks], rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, [_text(names[i]) for i in ticks])
    axes.set(xlabel="predicted", ylabel="true")
    if len(names) <= 20:
        for row, counts in enumerate(matrix):
            for column, count in enumerate(counts):
                colour = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return figure


def grouped_bars(groups: Sequence[str], series: Mapping[str, Sequence[float | None]], xlabel: str) -> Drawing:
    """Horizontal bars, one group for each name and one bar in it for each of the series; None has no bar."""
    figure = _figure(8, min(40.0, 1.2 + (0.18 * len(series) + 0.12) * len(groups)))
    axes = figure.subplots()
    height = 0.8 / len(series)
    for place, ((name, values), colour) in enumerate(zip(series.items(), (BLUE, GREEN, GREY, RED), strict=False)):
        positions = [group + (place - (len(series) - 1) / 2) * height for group in range(len(groups))]
        axes.barh(positions, [value or 0.0 for value in values], height=height, color=colour, label=name)
    axes.set_yticks(range(len(groups)), [_text(group) for group in groups])
    axes.invert_yaxis()
    axes.set(xlabel=xlabel)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def image_grid(tiles: Sequence[Tile], columns: int = 4) -> Drawing:
    """Images in rows, each under its caption."""
    rows = max(1, math.ceil(len(tiles) / columns))
    figure = _figure(2.6 * columns, 3.0 * rows)
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if place < len(tiles):
            tile = tiles[place]
            axes.imshow(_small(tile.image))
            colour = {None: "black", True: GREEN, False: RED}[tile.right]
            axes.set_title("\n".join(map(_text, tile.caption.splitlines())), fontsize=9, color=colour)
    return figure


def image_and_scores(
    image: Image.Image,
    scores: Sequence[tuple[str, float]],
    predicted: Sequence[str],
    threshold: float | None = None,
    title: str = "",
) -> Drawing:
    """An image on the left, bars of its probabilities on the right, predicted classes in colour.

    Args:
        scores: (class, probability), the most probable first.
        threshold: Marked where it is given (multilabel).
    """
    figure = _figure(9, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    left.imshow(_small(image))
    left.set_axis_off()
    left.set_title(_text(title, 40), fontsize=9)
    names = [name for name, _ in scores]
    colours = [BLUE if name in predicted else GREY for name in names]
    right.barh(range(len(names)), [value for _, value in scores], color=colours)
    for place, (_, value) in enumerate(scores):
        right.text(value + 0.01, place, f"{value:.2f}", va="center", fontsize=9)
    right.set_yticks(range(len(names)), [_text(name) for name in names])
    right.invert_yaxis()
    right.set(xlim=(0, 1.12), xlabel="probability")
    right.spines[["top", "right"]].set_visible(False)
    if threshold is not None:
        right.axvline(threshold, color="black", linewidth=1, linestyle=":")
    return figure


def rate_curve(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], chosen: float | None = None
) -> Drawing:
    """Loss over learning rate, of each step and smoothed; a dotted line and the title name the rate that was chosen."""
    figure = _figure(6, 3.6)
    axes = figure.subplots()
    axes.plot(rates, losses, color=GREY, linewidth=0.8, label="each step")
    axes.plot(rates, smoothed, color=BLUE, label="smoothed")
    if chosen is not None:
        axes.axvline(chosen, color="black", linewidth=1, linestyle=":", label="suggested")
    title = "no learning rate suggested" if chosen is None else f"suggested learning rate: {number(chosen)}"
    axes.set(xscale="log", xlabel="learning rate (logarithmic)", ylabel="training loss of a batch", title=title)
    if smoothed:  # the explosion at the end would flatten all else
        fall = max(smoothed[0] - min(smoothed), 0.1 * abs(smoothed[0]))
        axes.set_ylim(min(smoothed) - fall, smoothed[0] + 3 * fall)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def precision_recall_curves(truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> Drawing:
    """Precision over recall, a curve for each class.

    Args:
        truth: (images, classes), 1 present, 0 absent, -1 unknown.
        probabilities: (images, classes), NaN where there is none.
        names: The classes; one without a known positive has no curve.
    """
    from sklearn.metrics import precision_recall_curve

    figure = _figure(6.4, 4)
    axes = figure.subplots()
    for column, (name, colour) in enumerate(zip(names, _MANY, strict=False)):
        known = (truth[:, column] >= 0) & np.isfinite(probabilities[:, column])
        if (truth[known, column] == 1).any():
            precision, recall, _ = precision_recall_curve(truth[known, column], probabilities[known, column])
            axes.step(recall, precision, where="post", label=_text(name), color=colour)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    if axes.get_lines():
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def reliability_diagram(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]] | None = None
) -> Drawing:
    """How often what was said with a probability was so; on the diagonal, the probabilities can be believed.

    Args:
        before: Bins as in ``reliability.json``; below, how many decisions fall into each.
        after: The same after calibration.
    """
    figure = _figure(5, 4.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    for bins, label, colour in ((before, "as trained", BLUE), (after or (), "calibrated", GREEN)):
        if bins:
            said, came = ([row[key] for row in bins] for key in ("probability", "share"))
            upper.plot(said, came, color=colour, marker="o", label=label)
    upper.set(ylabel="share that was so", xlim=(0, 1), ylim=(0, 1.02))
    if after:
        upper.legend(frameon=False)
    middles = [(row["low"] + row["high"]) / 2 for row in before]
    widths = [0.9 * (row["high"] - row["low"]) for row in before]
    lower.bar(middles, [row["count"] for row in before], width=widths, color=GREY)
    lower.set(xlabel="probability", ylabel="decisions")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _figure(width: float, height: float) -> Drawing:
    """Sizes in inches."""
    return Drawing(figsize=(width, height), layout="constrained")


def _line(axes: Axes, epochs: Sequence[float], values: Sequence[float | None], label: str, colour: str) -> None:
    """A curve with a gap where there is no value; none at all where there never is one."""
    if any(value is not None for value in values):
        numbers = [math.nan if value is None else value for value in values]
        axes.plot(epochs, numbers, color=colour, label=_text(label), marker="." if len(epochs) < 30 else None)


def _validation(line: Mapping[str, Any], metric: str) -> float | None:
    value: float | None = (line.get("validation") or {}).get(metric)
    return value


def _small(image: Image.Image) -> Image.Image:
    """At most as large as it is drawn, so that figures stay light."""
    small = image.copy()
    small.thumbnail((_TILE_PX, _TILE_PX))
    return small


def _text(words: str, most: int = 28) -> str:
    """Shortened, and with dollars that matplotlib does not take for formulas."""
    short = words if len(words) <= most else words[: most - 1] + "…"
    return short.replace("$", r"\$")
