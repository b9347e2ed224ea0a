"""Pictures unlike the rest: darker, lighter, blurrier, smaller, longer, grey, plain, odd.

Each is judged by two thresholds at once, because either alone raises false alarms. One is robust: the distance from
the median, in the standard deviations that the median of all such distances stands for (B. Iglewicz, D. Hoaglin, "How
to Detect and Handle Outliers", 1993, who flag 3.5). Of the sets that come with this project, which hold nothing that is
wrong, the farthest images are 4.2 away (the detail of handwritten digits), so `DEVIATIONS` is 4.5. The other is
absolute: where all images are nearly the same, a small difference is many deviations and still no fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.sight.glance import SIDE_PX

DEVIATIONS = 4.5
FEWEST = 20  # images among which one can be unlike the rest
RARE = 0.05  # share of odd or grey images up to which they are outliers and not a part of the data
PLAIN = 3.0  # grey levels of contrast; a black frame with a sensor's noise stays below
HALF = 0.5  # as bright, or as large, as the median image
BLURRED = np.log(10.0)  # a tenth of the fine detail. A blur of 1 % of the shorter side took 98 % of it
GREY, COLOURED = 2.0, 10.0  # mean chroma in levels of a grey image, and at least of the median image
ODD = 25.0  # levels: so far are thumbnails of images of one kind; the negative of one is 105 away
_LEVELS, _SHARE = 8.0, 0.1  # what a deviation is at least: where all images are the same, the median distance is 0
_NEIGHBOUR, _REFERENCES, _BLOCK = 3, 4096, 1024


@dataclass(frozen=True)
class Unlike:
    """Images that are unlike the rest in one way, the most extreme first.

    Attributes:
        kind: In which way.
        rows: Which images.
        says: Of each, what was measured, in words.
        rest: What is usual, in words; may be empty.
    """

    kind: str
    rows: list[int]
    says: list[str]
    rest: str = ""


def outliers(glances: np.ndarray, widths: Sequence[int], heights: Sequence[int]) -> list[Unlike]:
    """All kinds that occur. A plain image is of no other kind but by its size; a dark or light one is not odd for that
    alone, nor a long one small.

    Args:
        glances: (images,) of `GLANCE`.
        widths, heights: (images,) of pixels.
    """
    plain = _plain(glances)
    found, sound = [plain], _without(len(glances), plain)
    if len(glances) >= FEWEST:
        sides = np.array([widths, heights], dtype=np.float64)
        dark, light, long = _dark(glances, sound), _light(glances, sound), _long(sides)
        found += [dark, light, _blurred(glances, sound, sides.min(0)), _grey(glances, sound)]
        found += [_small(sides, _without(len(glances), long)), long]
        found += [_odd(glances, _without(len(glances), plain, dark, light))]
    return [unlike for unlike in found if unlike.rows]


def _without(images: int, *found: Unlike) -> np.ndarray:
    """(images,) True for those of no such kind."""
    kept = np.ones(images, dtype=bool)
    kept[[row for unlike in found for row in unlike.rows]] = False
    return kept


def _plain(glances: np.ndarray) -> Unlike:
    rows = np.flatnonzero(glances["contrast"] <= PLAIN).tolist()
    colours = glances["thumbnail"][rows].reshape(len(rows), 64, 3).mean(1)
    return Unlike("plain", rows, [_colour(colour) for colour in colours])


def _dark(glances: np.ndarray, judged: np.ndarray) -> Unlike:
    values = glances["highlights"]
    median, away = _standing(values, judged, _LEVELS)
    rows = _first(judged & (away <= -DEVIATIONS) & (values <= HALF * median), values)
    return Unlike(
        "dark", rows, [f"brightest parts {values[row]:.0f} of 255" for row in rows], f"{median:.0f} in the median image"
    )


def _light(glances: np.ndarray, judged: np.ndarray) -> Unlike:
    values = 255 - glances["shadows"]
    median, away = _standing(values, judged, _LEVELS)
    rows = _first(judged & (away <= -DEVIATIONS) & (values <= HALF * median), values)
    says = [f"darkest parts {255 - values[row]:.0f} of 255" for row in rows]
    return Unlike("light", rows, says, f"{255 - median:.0f} in the median image")


def _blurred(glances: np.ndarray, judged: np.ndarray, sides: np.ndarray) -> Unlike:
    """Detail depends on the size at which it is judged: small images are compared with those of their own size."""
    values, away = glances["detail"].astype(np.float64), np.zeros(len(glances))
    judged = judged & np.isfinite(values)
    medians = np.full(len(glances), np.nan)
    halvings = np.floor(np.log2(SIDE_PX / np.minimum(SIDE_PX, sides)))
    for size in np.unique(halvings):
        same = judged & (halvings == size)
        if same.sum() >= FEWEST:
            medians[same], distances = _standing(values, same, _SHARE)
            away[same] = distances[same]
    rows = _first(judged & (away <= -DEVIATIONS) & (values <= medians - BLURRED), values)
    return Unlike(
        "blurred", rows, [f"{100 * np.exp(values[row] - medians[row]):.1g} % of the usual detail" for row in rows]
    )


def _grey(glances: np.ndarray, judged: np.ndarray) -> Unlike:
    values = glances["chroma"]
    grey = judged & (values <= GREY)
    few = grey.sum() <= RARE * len(glances) and np.median(values) >= COLOURED
    rows = np.flatnonzero(grey).tolist() if few else []
    return Unlike("grey", rows, ["no colour"] * len(rows))


def _small(sides: np.ndarray, judged: np.ndarray) -> Unlike:
    values = np.log(sides.prod(0)) / 2
    median, away = _standing(values, judged, _SHARE)
    rows = _first(judged & (away <= -DEVIATIONS) & (values <= median + np.log(HALF)), values)
    says = [f"{sides[0, row]:.0f}×{sides[1, row]:.0f} pixels" for row in rows]
    return Unlike("small", rows, says, f"the median image has {np.exp(median) ** 2:,.0f} pixels")


def _long(sides: np.ndarray) -> Unlike:
    """By longer over shorter side: a set may hold upright and lying pictures."""
    values = np.log(sides.max(0) / sides.min(0))
    median, away = _standing(values, np.ones(len(values), dtype=bool), _SHARE)
    rows = _first((away >= DEVIATIONS) & (values >= median - np.log(HALF)), -values)
    says = [f"{sides[0, row]:.0f}×{sides[1, row]:.0f}" for row in rows]
    return Unlike("long", rows, says, f"the median image is {np.exp(median):.2g} times as long as wide")


def _odd(glances: np.ndarray, judged: np.ndarray) -> Unlike:
    """By the distance to the third nearest thumbnail: two copies of an odd picture are still odd."""
    members = np.flatnonzero(judged)
    if len(members) < FEWEST:
        return Unlike("odd", [], [])
    distances = _to_neighbour(glances["thumbnail"][members].reshape(len(members), -1))
    values = np.full(len(glances), np.nan)
    values[members] = np.log(np.maximum(distances, 1.0))
    median, away = _standing(values, judged, _SHARE)
    high = np.maximum(median - np.log(HALF), np.log(ODD))
    rows = _first(judged & (away >= DEVIATIONS) & (values >= high), -values)
    if len(rows) > RARE * len(glances):
        rows = []
    says = [f"{np.exp(values[row] - median):.1f} times as far from others as usual" for row in rows]
    return Unlike("odd", rows, says)


def _to_neighbour(thumbnails: np.ndarray) -> np.ndarray:
    """(images,) distance in levels to the third nearest of at most 4,096 thumbnails, evenly spaced over the set."""
    places = np.unique(np.linspace(0, len(thumbnails) - 1, min(len(thumbnails), _REFERENCES)).astype(np.int64))
    others = thumbnails[places].astype(np.float32)
    squares, channels = (others**2).sum(1), others.shape[1]
    nearest = np.empty(len(thumbnails), dtype=np.float32)
    for start in range(0, len(thumbnails), _BLOCK):
        block = thumbnails[start : start + _BLOCK].astype(np.float32)
        apart = (block**2).sum(1)[:, None] + squares - 2 * block @ others.T
        itself = np.flatnonzero((places >= start) & (places < start + len(block)))
        apart[places[itself] - start, itself] = np.inf
        nearest[start : start + len(block)] = np.partition(apart, _NEIGHBOUR - 1, axis=1)[:, _NEIGHBOUR - 1]
    distances: np.ndarray = np.sqrt(np.maximum(nearest, 0) / channels)
    return distances


def _standing(values: np.ndarray, judged: np.ndarray, least: float) -> tuple[float, np.ndarray]:
    """The median of those judged, and how many deviations, each at least so much, every value is away from it."""
    if not judged.any():
        return np.nan, np.zeros(len(values))
    median = float(np.median(values[judged]))
    deviation = max(1.4826 * float(np.median(np.abs(values[judged] - median))), least)
    return median, (values - median) / deviation


def _first(flagged: np.ndarray, by: np.ndarray) -> list[int]:
    rows = np.flatnonzero(flagged)
    ordered: list[int] = rows[np.argsort(by[rows], kind="stable")].tolist()
    return ordered


def _colour(rgb: np.ndarray) -> str:
    """
    >>> [_colour(np.array(rgb)) for rgb in ([2, 2, 3], [255, 255, 255], [120, 121, 119], [200, 10, 10])]
    ['black', 'white', 'grey', '#c80a0a']
    """
    if np.ptp(rgb) <= 8:
        return "black" if rgb.mean() < 32 else "white" if rgb.mean() > 223 else "grey"
    return "#" + "".join(f"{round(float(value)):02x}" for value in rgb)
