"""The options of each verb."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any


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
    verb.add_argument(
        "run", metavar="RUN|YAML", help="run folder, or a crossval folder, whose models predict together; or options"
    )
    verb.add_argument("inputs", metavar="INPUT", nargs="*", help="images, folders, globs, tables, JSON lines")
    verb.add_argument("--out", metavar="FILE", help="write .parquet, .csv or .jsonl instead of printing JSON lines")
    verb.add_argument("--format", choices=["table", "azure"], help="azure: headerless CSV as of its batch endpoint")
    verb.add_argument(
        "--top-k", metavar="K", type=_count, help="print, or write as columns, the K most probable classes"
    )
    verb.add_argument("--all-labels", action="store_true", default=None, help="write a column for each class")
    verb.add_argument("--threshold", metavar="P", type=_probability, help="instead of the model's own (multilabel)")
    verb.add_argument("--column", metavar="NAME", help="of tables; default: image, image_url, path, filename ...")
    verb.add_argument("--paths-from", metavar="FOLDER", help="of paths in tables; default: the table's own folder")
    verb.add_argument("--precision", choices=["fp32", "bf16"], help="bf16 is faster, 5e-4 less exact; default: fp32")
    verb.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average the logits of each image and its mirror image; by default as the run's evaluate.flip says",
    )
    verb.add_argument("--batch-size", metavar="N", type=_count, help="default: 16 on a CPU, 64 on a GPU")
    verb.add_argument("--part-images", metavar="N", type=_count, help="images after which all is saved; default: 512")
    verb.add_argument("--pictures", metavar="FOLDER", help="draw each image beside its scores")
    verb.add_argument("--overwrite", action="store_true", default=None, help="replace the file, and begin anew")
    verb.add_argument("--runtime", choices=["torch", "onnx"], help="onnx: what export --to onnx wrote; default: torch")


def serve_options(verb: argparse.ArgumentParser) -> None:
    # No defaults here: what is not given is the options file's, else that of finetune.serve.ServeOptions.
    verb.argument_default = argparse.SUPPRESS
    verb.add_argument(
        "run", metavar="RUN|YAML", help="run folder, crossval folder, or a file with run and other options"
    )
    verb.add_argument(
        "--host", metavar="HOST", help="where to listen; default: 127.0.0.1, which only this machine reaches"
    )
    verb.add_argument("--port", metavar="N", type=int, help="0 takes a free one; default: 8000")
    verb.add_argument("--workers", metavar="N", type=_count, help="processes, each with its own model; default: 1")
    verb.add_argument("--runtime", choices=["torch", "onnx"], help="onnx: what export --to onnx wrote; default: torch")
    verb.add_argument("--precision", choices=["fp32", "bf16"], help="bf16 is faster, 5e-4 less exact; default: fp32")
    verb.add_argument(
        "--batch-size", metavar="N", type=_count, help="most images of a pass; default: 16 on a CPU, else 64"
    )
    verb.add_argument(
        "--max-body-mb", metavar="MB", type=float, help="of a request and of a fetched image; default: 32"
    )
    verb.add_argument("--max-images", metavar="N", type=_count, help="of a request; default: 64")
    verb.add_argument("--max-pixels", metavar="N", type=_count, help="width times height; default: 50000000")
    verb.add_argument("--max-queue", metavar="N", type=_count, help="images in hand before 429; default: 256")
    verb.add_argument("--timeout-s", metavar="S", type=float, help="of a request before 504; default: 30")
    verb.add_argument(
        "--allow-urls",
        action=argparse.BooleanOptionalAction,
        help="fetch images that a request names by http or https, from public addresses only",
    )
    verb.add_argument(
        "--api-key-file",
        metavar="FILE",
        help="its first line is the key that clients send as Authorization: Bearer KEY; or set DEIT_FINETUNE_API_KEY",
    )
    verb.add_argument(
        "--access-log", action=argparse.BooleanOptionalAction, help="a line on stderr for each request; default: yes"
    )


def run_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("run", metavar="RUN", help="run folder")


def evaluate_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", metavar="RUN|CHECKPOINT", help="run folder, crossval folder, or checkpoint")
    verb.add_argument(
        "--data",
        metavar="DATA",
        help="class folders, a table, JSON lines, bundled:NAME, or a recipe, whose data section is meant; "
        "default: the run's own validation and test images",
    )
    verb.add_argument(
        "--split",
        choices=["train", "validation", "test", "all"],
        help="default: of --data test, else validation, else all images",
    )
    verb.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="data_overrides",
        help="say more of the data, such as data.label_column=kind; may be repeated",
    )
    verb.add_argument(
        "--classes",
        metavar="NAME,...",
        type=_names,
        help="only these of the data's classes; a name with a comma in double quotes",
    )
    verb.add_argument(
        "--class-names", metavar="FILE", type=Path, help="what the data call the model's outputs, one a line"
    )
    verb.add_argument("--config", metavar="FILE", type=Path, help="Azure's evaluation config; writes its names, too")
    verb.add_argument("--threshold", metavar="P", type=_probability, help="instead of the model's own (multilabel)")
    verb.add_argument("--top-k", metavar="K", type=_count, help="of top-k accuracy; default: the run's, else 5")
    verb.add_argument(
        "--tune-thresholds",
        action="store_true",
        help="first tune the run's thresholds on its validation images, and save them with the model",
    )
    verb.add_argument(
        "--calibrate",
        action="store_true",
        help="first fit the run's temperatures on its validation images, and save them with the model",
    )
    verb.add_argument("--name", metavar="NAME", help="of the folder below the run's evaluations; default: the data's")
    verb.add_argument("--out", metavar="FOLDER", type=Path, help="folder to write instead")
    verb.add_argument("--precision", choices=["fp32", "bf16"], help="default: the run's evaluate.precision, else fp32")
    verb.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average the logits of each image and its mirror image; by default as the run's evaluate.flip says",
    )


def compare_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("runs", metavar="RUN", nargs="+", help="run folders or evaluations; the first is compared with")
    verb.add_argument(
        "--split", metavar="NAME", help="default: test where all have it, else validation, or the only one"
    )
    verb.add_argument("--images", metavar="N", type=_count, default=10, help="differing images to print; default: 10")
    verb.add_argument("--out", metavar="FILE", type=Path, help="JSON to write, with all differing images")


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


def schema_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("of", nargs="?", choices=["recipe", "predict", "serve"], default="recipe", help="default: recipe")


EXPORT_OPTIONS = ("precision", "repo", "push", "public", "license", "examples", "overwrite")
"""Each has a meaning for one target only; what is not given is left to that."""


def export_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("run", metavar="RUN", help="run folder; what is written is in its folder export")
    verb.add_argument("--to", choices=["onnx", "mlflow", "hub"], required=True, help="what is written")
    verb.add_argument("--precision", choices=["fp32", "fp16", "int8"], help="of the ONNX graph; default: fp32")
    hub = verb.add_argument_group("--to hub")
    hub.add_argument("--repo", metavar="OWNER/NAME", help="the model's name on the Hub")
    flag: dict[str, Any] = {"action": "store_true", "default": None}
    hub.add_argument("--push", **flag, help="upload the folder with your token (HF_TOKEN or hf auth login), as private")
    hub.add_argument("--public", **flag, help="with --push: to a public repository")
    hub.add_argument("--license", metavar="ID", help="such as apache-2.0; default: that of what the model began from")
    hub.add_argument("--examples", metavar="IMAGE", nargs="+", help="images that the model's page shows; are uploaded")
    hub.add_argument("--overwrite", **flag, help="write README.md anew, also where it was edited by hand")


def _names(text: str) -> list[str]:
    """
    >>> _names('can, "bottle, of milk",')
    ['can', 'bottle, of milk']
    """
    (found,) = csv.reader([text], skipinitialspace=True)
    return [name.strip() for name in found if name.strip()]


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number from 0 to 1")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 up")
    return int(text)
