"""Whether a model keeps its decisions at another input size, without further training.

    python tests/benchmarks/higher_resolution.py [--epochs 240] [--size 96]

bundled:deit-nano learns the digits at 64 px, in crops of a quarter of the area and more, because a stroke is half
again as large for a patch at 96 px; then its run folder is loaded with model.image_size_px 96, which resamples
the position embeddings, and both decide on the validation split. Aim: at least 90 % of the decisions are the same, and
every class is still predicted. The resampled model is also written to disk and opened again, to the same bits.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from finetune.data import load_splits, targets
from finetune.data.decoded import DecodedImages
from finetune.model import LoadedModel, choose_task, load_with_new_head, open_saved, save_model
from finetune.predict import score
from finetune.recipe import Recipe, load_recipe
from finetune.training import train

RECIPE = Path(__file__).parents[2] / "recipes/digits.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=float, default=240)
    parser.add_argument("--size", type=int, default=96)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own = {"optim.epochs": wanted.epochs, "augment.crop_scale": [0.25, 1.0], "run.root": folder}
        recipe = load_recipe(RECIPE, {**own, "run.tracking": []})
        run = train(recipe)
        small, large = open_saved(run.model), resampled(recipe, run.path, wanted.size)
        report(recipe, small, large, comes_back(large, Path(folder) / "large"))


def resampled(recipe: Recipe, run: Path, size_px: int) -> LoadedModel:
    """The run's model for images of another size, with the head that it learnt."""
    keys = {"checkpoint": str(run), "head": "keep", "image_size_px": size_px}
    larger = recipe.model_copy(update={"model": recipe.model.model_copy(update=keys)})
    return load_with_new_head(larger, load_splits(recipe).labels, choose_task(larger))


def comes_back(loaded: LoadedModel, folder: Path) -> bool:
    """Whether a model is the same to the last bit after a round trip through the disk."""
    save_model(loaded.model, loaded.pixels, folder)
    opened = open_saved(folder).model.state_dict()
    return all(torch.equal(tensor, opened[name]) for name, tensor in loaded.model.state_dict().items())


def report(recipe: Recipe, small: LoadedModel, large: LoadedModel, same_bits: bool) -> None:
    splits = load_splits(recipe)
    validation, truth = DecodedImages(splits.datasets["validation"], 0), targets(splits.datasets["validation"])
    decisions = [
        score(loaded.model, validation, loaded.pixels, batch_size=16, device="cpu").argmax(axis=1)
        for loaded in (small, large)
    ]
    for loaded, decided in zip((small, large), decisions, strict=True):
        accuracy, classes = np.mean(decided == truth), len(set(decided))
        print(f"{loaded.pixels.size_px} px: accuracy {accuracy:.3f}, {classes} classes predicted")
    print(f"same decisions: {np.mean(decisions[0] == decisions[1]):.3f} of {len(truth)} images  (aim 0.90)")
    print(f"round trip through disk exact: {same_bits}")


if __name__ == "__main__":
    main()
