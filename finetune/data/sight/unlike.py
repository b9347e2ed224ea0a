"""Findings about images that resemble no other, and about classes of which hardly any image is there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finetune.data.sight.outliers import Unlike, outliers
from finetune.data.sight.seen import Seen, Viewed, counted

_SENTENCES = {
    "plain": ("image is of one colour and shows nothing", "images are of one colour and show nothing"),
    "dark": ("image is much darker than the rest", "images are much darker than the rest"),
    "light": ("image is much lighter than the rest", "images are much lighter than the rest"),
    "blurred": ("image is much blurrier than the rest", "images are much blurrier than the rest"),
    "grey": ("image is grey among coloured ones", "images are grey among coloured ones"),
    "small": ("image is much smaller than the rest", "images are much smaller than the rest"),
    "long": ("image is much longer and narrower than the rest", "images are much longer and narrower than the rest"),
    "odd": ("image looks unlike all others", "images look unlike all others"),
}
_CURES = {
    "plain": "nothing is to be learned there",
    "grey": "is the colour what tells classes apart?",
    "long": "the model sees a square: is the thing still on it?",
    "odd": "do such images belong to this set?",
}
_LOOK = "would it be used where the model will work?"


def unlike_the_rest(viewed: Viewed, glances: np.ndarray, widths: Sequence[int], heights: Sequence[int]) -> list[Seen]:
    """A finding for each way in which images are unlike the rest."""
    return [_seen(viewed, unlike) for unlike in outliers(glances, widths, heights)]


def hardly_present(viewed: Viewed, names: Sequence[str]) -> Seen:
    """The training images of classes that have few."""
    wanted = set(names)
    rows = [
        row
        for row, labels in enumerate(viewed.rows.labels)
        if viewed.assigned[row] == "train" and not wanted.isdisjoint(labels)
    ]
    return Seen(
        "rare-classes",
        f"classes with few training images: {', '.join(names)}",
        tuple((viewed.image(row),) for row in rows),
    )


def _seen(viewed: Viewed, unlike: Unlike) -> Seen:
    what = counted(len(unlike.rows), *_SENTENCES[unlike.kind]) + viewed.examples(unlike.rows, unlike.says)
    rest = f"; {unlike.rest}" if unlike.rest else ""
    says = f"{what}{rest}; {_CURES.get(unlike.kind, _LOOK)}"
    groups = tuple((viewed.image(row, text),) for row, text in zip(unlike.rows, unlike.says, strict=True))
    return Seen(unlike.kind, says, groups)
