"""Example images for a model's page on the Hub, with what the model really says of them.

The Hub shows a live widget only for models that an inference provider serves, but the examples of a card always
(https://huggingface.co/docs/hub/models-widgets).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from finetune.predict.sources import OneImage, Sources

FOLDER = "examples"
_SIDE_PX = 512
_LABELS = 5

Classify = Callable[[Image.Image], list[dict[str, Any]]]
"""An image to its labels and scores, best first, as transformers' pipeline gives them."""


def write_examples(images: Sequence[OneImage], folder: Path, classify: Classify) -> list[dict[str, Any]]:
    """Write copies into ``examples`` of a model's folder.

    They are upright JPEGs of at most 512 px under numbers for names: nothing is left of the files' names, of the places
    in their EXIF or of anything else that stood in them.

    Returns:
        The entries of the card's ``widget``.
    Raises:
        DataError: an image cannot be read.
    """
    entries, sources = [], Sources(list(images))
    for index in range(len(sources)):
        image = sources[index]
        image.thumbnail((_SIDE_PX, _SIDE_PX))
        bare = Image.new("RGB", image.size)
        bare.paste(image)
        file = folder / FOLDER / f"{index + 1}.jpg"
        file.parent.mkdir(exist_ok=True)
        bare.save(file, quality=90)
        with Image.open(file) as written:
            said = classify(written.convert("RGB"))[:_LABELS]
        entries.append(
            {
                "src": f"{FOLDER}/{file.name}",
                "example_title": f"Example {index + 1}",
                "output": [{"label": row["label"], "score": round(row["score"], 4)} for row in said],
            }
        )
    return entries
