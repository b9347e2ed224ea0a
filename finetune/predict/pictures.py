"""Thumbnails of a few held-out images, and where the model looked on them, for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from finetune.metrics.definitions import MULTICLASS
from finetune.model.saved import LoadedModel
from finetune.predict.attention import attention_rollout, looks
from finetune.predict.predictions import how_sure, is_right
from finetune.run_folder import ResultFolder

SIDE_PX = 192
MISTAKES, HITS = 24, 12
_DARKEST = 0.25  # of a patch's brightness where the model did not look


def worth_seeing(rows: Iterable[Mapping[str, Any]], task: str, suspected: Sequence[str] = ()) -> dict[str, list[int]]:
    """Places of the rows to show: labels that are perhaps wrong, the mistakes that the model was surest of, and the
    hits that it was least sure of.

    Args:
        rows: Of one split, as in predictions.jsonl, read once.
        suspected: Paths of images whose labels are perhaps wrong, the most suspicious first.
    """
    place_of: dict[str, int] = {}
    mistakes: list[tuple[float, int]] = []
    hits: list[tuple[float, int]] = []
    for place, row in enumerate(rows):
        place_of[row["path"]] = place
        if row["predicted"] or task != MULTICLASS:  # a model that abstains is neither right nor wrong
            (hits if is_right(row) else mistakes).append((how_sure(row, task), place))
    return {
        "label_errors": [place_of[path] for path in suspected[:MISTAKES]],
        "mistakes": [place for _, place in sorted(mistakes, key=lambda pair: (-pair[0], pair[1]))[:MISTAKES]],
        "hits": [place for _, place in sorted(hits)[:HITS]],
    }


def write_gallery(
    folder: ResultFolder,
    task: str,
    images: Mapping[str, Callable[[int], Image.Image]],
    loaded: LoadedModel | None,
) -> None:
    """Write the pictures of a report: of each split, those that are `worth_seeing`.

    Args:
        folder: Where predictions and suspected labels are read, and pictures written.
        images: By split, decoded images by place, in the order of the predictions.
        loaded: The model that predicted, on any device; None draws no overlays.
    """
    suspected, index = folder.read_label_errors()["images"], {}
    for split, image_at in images.items():
        rows = (row for row in folder.read_predictions() if row["split"] == split)
        kinds = worth_seeing(rows, task, [row["path"] for row in suspected if row["split"] == split])
        places = sorted({place for chosen in kinds.values() for place in chosen})
        files = write_pictures(folder.pictures, split, places, image_at, loaded)
        index[split] = {"kinds": kinds, "files": {str(place): names for place, names in files.items()}}
    if index:
        folder.write_pictures(index)


def write_pictures(
    folder: Path,
    split: str,
    places: Sequence[int],
    image_at: Callable[[int], Image.Image],
    loaded: LoadedModel | None,
) -> dict[int, dict[str, str]]:
    """Write thumbnails, and overlays where the architecture has attention to show.

    Args:
        folder: Where to; files are named after the split and the place.
        image_at: Decoded images by place.
        loaded: The model, on any device; None draws no overlays.
    Returns:
        By place, file names: ``thumbnail`` and one for each token.
    """
    folder.mkdir(exist_ok=True)
    files: dict[int, dict[str, str]] = {}
    for place in places:
        image = image_at(place)
        written = {"thumbnail": f"{split}-{place:05}.jpg"}
        _small(image).save(folder / written["thumbnail"], quality=80)
        for token, overlay in (overlays(image, loaded) if loaded else {}).items():
            written[token] = f"{split}-{place:05}-{token.replace(' ', '-')}.jpg"
            overlay.save(folder / written[token], quality=80)
        files[place] = written
    return files


def overlays(image: Image.Image, loaded: LoadedModel) -> dict[str, Image.Image]:
    """What the model saw, darkened where it did not look; by token, none where there is no attention to show."""
    if not looks(loaded.model):
        return {}
    seen = loaded.pixels.to_uint8(image)
    device = next(loaded.model.parameters()).device
    shares = attention_rollout(loaded.model, loaded.pixels.normalise(torch.from_numpy(seen)[None].to(device)))
    picture = _small(Image.fromarray(seen.transpose(1, 2, 0)).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))
    return {token: lit(picture, share[0]) for token, share in shares.items()}


def lit(picture: Image.Image, shares: np.ndarray) -> Image.Image:
    """A picture, bright where the shares are high and dark where they are low.

    Args:
        shares: (rows, columns), of any size.
    """
    spread = float(shares.max() - shares.min())
    levels = (shares - shares.min()) / spread if spread > 0 else np.ones_like(shares)
    light = Image.fromarray(levels.astype(np.float32)).resize(picture.size, Image.Resampling.BICUBIC)
    factor = _DARKEST + (1 - _DARKEST) * np.clip(np.asarray(light), 0, 1)
    return Image.fromarray((np.asarray(picture) * factor[..., None]).round().astype(np.uint8))


def _small(image: Image.Image) -> Image.Image:
    small = image.copy()
    small.thumbnail((SIDE_PX, SIDE_PX))
    return small
