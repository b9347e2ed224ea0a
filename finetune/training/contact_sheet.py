"""``deit-finetune show``: originals and what the model sees of them, on one picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from finetune.data import load_splits
from finetune.errors import DataError
from finetune.model import load_preprocessing
from finetune.recipe import Recipe
from finetune.training.resuming import run_name
from finetune.training.views import Sight, Sights, View

EPOCHS = 6
MOST_TILE_PX, GAP_PX, LINE_PX, CAPTION_LINES = 192, 8, 14, 2
INK, PAPER, QUIET = "#1b1f24", "#ffffff", "#6b7580"


def write_contact_sheet(recipe: Recipe, images: int, out: Path | None = None) -> Path:
    """Vary some training images as the recipe says, and draw them. Nothing is trained, and no weights are read.

    Args:
        recipe: Whose checkpoint and data can be reached.
        images: How many rows.
        out: The file; by default named after the run, in the working directory. It is overwritten.
    Returns:
        The PNG that was written.
    Raises:
        FinetuneError: data or checkpoint are not what the recipe says.
    """
    path = out or Path(f"{run_name(recipe)}-augmented.png")
    if path.suffix.lower() != ".png":
        raise DataError(f"--out {path}: expected a name that ends in .png")
    splits = load_splits(recipe)
    sheet = contact_sheet(Sights(recipe, splits, load_preprocessing(recipe)).of(images, EPOCHS))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, format="PNG")
    return path


def contact_sheet(sights: list[Sight]) -> Image.Image:
    """A row for each image: the original, the evaluation view, and a view for each epoch, with their labels."""
    titles = ["original", "evaluation", *(f"epoch {epoch + 1}" for epoch in range(len(sights[0].epochs)))]
    tile_px = _tile_px(sights[0].evaluation.image.width)
    row_px, column_px = tile_px + CAPTION_LINES * LINE_PX + 2 * GAP_PX, tile_px + GAP_PX
    head_px = LINE_PX + 2 * GAP_PX
    sheet = Image.new("RGB", (GAP_PX + len(titles) * column_px, head_px + len(sights) * row_px), PAPER)
    for column, title in enumerate(titles):
        _write(sheet, title, (GAP_PX + column * column_px, GAP_PX), tile_px, QUIET)
    for row, sight in enumerate(sights):
        for column, view in enumerate([sight.original, sight.evaluation, *sight.epochs]):
            _draw(sheet, view, (GAP_PX + column * column_px, head_px + row * row_px), tile_px)
    return sheet


def _tile_px(size_px: int) -> int:
    """Small inputs are enlarged by a whole number, so that their pixels can be seen; large ones are reduced.

    >>> [_tile_px(size_px) for size_px in (32, 64, 128, 224)]
    [192, 192, 128, 192]
    """
    return size_px * (MOST_TILE_PX // size_px) if size_px <= MOST_TILE_PX else MOST_TILE_PX


def _draw(sheet: Image.Image, view: View, place: tuple[int, int], tile_px: int) -> None:
    left, top = place
    scale = tile_px / max(view.image.size)
    size = max(1, round(view.image.width * scale)), max(1, round(view.image.height * scale))
    filter_ = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    sheet.paste(view.image.resize(size, filter_), (left, top + tile_px - size[1]))
    for line, text in enumerate(caption(view.shares)):
        _write(sheet, text, (left, top + tile_px + 2 + line * LINE_PX), tile_px, INK)


def caption(shares: list[tuple[str, float]]) -> list[str]:
    """Classes, with their shares where one is not whole; at most two lines.

    >>> caption([("can", 0.75), ("carton", 0.25)]), caption([("can", 1.0), ("carton", 1.0)]), caption([])
    (['can 0.75', 'carton 0.25'], ['can, carton'], ['none'])
    """
    shares = [(name, share) for name, share in shares if share >= 0.005]
    if all(share >= 0.995 for _, share in shares):
        return [", ".join(name for name, _ in shares) or "none"]
    lines = [f"{name} {share:.2f}" for name, share in shares]
    return lines if len(lines) <= CAPTION_LINES else [", ".join(lines[:-2]), ", ".join(lines[-2:])]


def _write(sheet: Image.Image, text: str, place: tuple[int, int], width_px: int, colour: str) -> None:
    """Shortened to the width."""
    font = ImageFont.load_default(LINE_PX - 2)
    while font.getlength(text) > width_px and len(text) > 2:
        text = text[:-2] + "…"
    ImageDraw.Draw(sheet).text(place, text, fill=colour, font=font)
