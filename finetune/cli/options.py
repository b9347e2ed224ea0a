"""The options of each verb."""

from __future__ import annotations

import argparse
from pathlib import Path


def recipe_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("recipe", metavar="RECIPE", help="YAML file")
    verb.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="change a key, such as optim.epochs=3 or data.download=null; the value is YAML; may be repeated",
    )
    verb.add_argument(
        "--no-fallback",
        action="store_true",
        help="fail where checkpoint, teacher or data cannot be reached, and leave the recipe's offline section alone",
    )


def train_options(verb: argparse.ArgumentParser) -> None:
    recipe_options(verb)
    verb.add_argument("--resume", action="store_true", help="go on with the interrupted run of this recipe")
    verb.add_argument("--overwrite", action="store_true", help="replace the run folder of that name")


def check_options(verb: argparse.ArgumentParser) -> None:
    recipe_options(verb)
    what = "write findings.json and a picture of the images of each finding"
    verb.add_argument("--out", metavar="FOLDER", type=Path, help=what)


def show_options(verb: argparse.ArgumentParser) -> None:
    recipe_options(verb)
    verb.add_argument("--out", metavar="FILE", type=Path, help="PNG to write; default: NAME-augmented.png of the run")
    verb.add_argument("--images", metavar="N", type=_count, default=8, help="images to show; default: 8")


def init_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("images", metavar="FOLDER|CSV", type=Path, help="class folders, a table, JSON lines or MLTable")
    verb.add_argument("--out", metavar="FILE", type=Path, default=Path("recipe.yaml"), help="default: recipe.yaml")
    verb.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def predict_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("run", metavar="RUN", help="run folder, or a crossval folder, whose models predict together")
    verb.add_argument("images", metavar="IMAGE", nargs="+", help="image file")
    verb.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16 is faster, 5e-4 less exact")
    verb.add_argument("--top-k", metavar="K", type=_count, help="print the K most probable classes only")
    verb.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average the logits of each image and its mirror image; by default as the run's evaluate.flip says",
    )


def run_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("run", metavar="RUN", help="run folder")


def crossval_options(verb: argparse.ArgumentParser) -> None:
    train_options(verb)
    verb.add_argument("--folds", metavar="K", type=_count, default=5, help="default: 5")


def find_lr_options(verb: argparse.ArgumentParser) -> None:
    recipe_options(verb)
    verb.add_argument(
        "--steps", metavar="N", type=_count, default=100, help="from the lowest to the highest; default: 100"
    )
    verb.add_argument("--low", metavar="RATE", type=float, default=1e-7, help="first learning rate; default: 1e-7")
    verb.add_argument("--high", metavar="RATE", type=float, default=1.0, help="last learning rate; default: 1")
    verb.add_argument("--overwrite", action="store_true", help="replace the folder of that name")


def sweep_options(verb: argparse.ArgumentParser) -> None:
    recipe_options(verb)
    verb.add_argument(
        "--trials", metavar="N", type=_count, default=20, help="in all, earlier ones counted; default: 20"
    )
    verb.add_argument(
        "--storage",
        metavar="URL",
        help="database that several machines share; those still running may exceed --trials; default: a SQLite file",
    )


def features_options(verb: argparse.ArgumentParser) -> None:
    recipe_options(verb)
    out = Path("features.parquet")
    verb.add_argument("--out", metavar="FILE", type=Path, default=out, help=f".parquet or .npz; default: {out}")
    verb.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def no_options(verb: argparse.ArgumentParser) -> None:
    pass


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 up")
    return int(text)
