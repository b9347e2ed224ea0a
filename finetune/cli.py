"""The command line: verbs to calls. What a verb needs is imported inside it, so that --help answers at once."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from finetune.errors import FinetuneError, RecipeError, did_you_mean

OK, OUR_FAULT, USERS_MISTAKE, INTERRUPTED, STOPPED = 0, 1, 2, 75, 130

DESCRIPTION = """\
Fine-tune a DeiT or ViT image classifier on your own classes.

verbs:
  RECIPE             train as the recipe says (the same as: train RECIPE)
  check RECIPE       read the data and say what was found; trains nothing
  show RECIPE        write a picture of what the model sees in training
  init FOLDER|CSV    write a recipe for your own images
  predict RUN IMAGE  say what is on images, one JSON line each
  crossval RECIPE    train once per fold of the data: mean, interval, out-of-fold predictions
  find-lr RECIPE     try rising learning rates for some steps and suggest one
  sweep RECIPE       try other values of what the recipe's search.space names
  features RECIPE    write what the checkpoint makes of each image, as vectors
  schema             print the recipe's JSON schema, for editors

example:
  deit-finetune init photos                         # writes recipe.yaml
  deit-finetune check recipe.yaml
  deit-finetune recipe.yaml --set optim.epochs=3
  deit-finetune predict runs/photos holiday/*.jpg
"""

EXIT_CODES = """\
exit codes:
  0    done
  1    a fault of this program, with a traceback; please report it
  2    something for you to mend; the message says what
  75   interrupted by Ctrl-C or SIGTERM and saved: go on with --resume (a sweep: by the same command)
  130  stopped by Ctrl-C before there was anything to save

Every key of a recipe stands in recipes/README.md and in `deit-finetune schema`.
On several GPUs: accelerate launch --multi_gpu -m finetune RECIPE
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: Without the program's name; by default the process's own.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        _parser().print_help()
        return USERS_MISTAKE
    try:
        options = _parser().parse_args(_with_verb(words))
        code: int = options.call(options)
        return code
    except FinetuneError as error:
        _complain(str(error))
        return USERS_MISTAKE
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        _complain("stopped; nothing was saved")
        return STOPPED


def _complain(message: str) -> None:
    """Print to stderr; of the processes that torchrun starts on a machine, the first speaks for all.

    The others linger: torchrun ends all as soon as one fails, and the first might not have spoken yet.
    """
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"deit-finetune: {message}", file=sys.stderr, flush=True)
    else:
        time.sleep(5)


# ---------------------------------------------------------------- words to options


def _with_verb(words: list[str]) -> list[str]:
    """``RECIPE …`` means ``train RECIPE …``; a verb that is nearly right is asked about."""
    first = words[0]
    if first in (*VERBS, "-h", "--help", "--version"):
        return words
    looks_like_a_file = Path(first).suffix or os.sep in first or Path(first).exists()
    meant = did_you_mean(first, VERBS)
    if meant and not looks_like_a_file and not first.startswith("-"):
        raise RecipeError([f"neither a verb nor a recipe{meant}"], repr(first))
    return ["train", *words]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deit-finetune",
        usage="deit-finetune [VERB] RECIPE [--set KEY=VALUE]... [--resume] [--overwrite] [--no-fallback]",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(metavar="VERB", title="verb", help=argparse.SUPPRESS)
    for name, (call, add_options, summary) in VERBS.items():
        verb = verbs.add_parser(
            name,
            prog=f"deit-finetune {name}",
            description=summary,
            epilog=EXIT_CODES,
            formatter_class=parser.formatter_class,
            allow_abbrev=False,
        )
        add_options(verb)
        verb.set_defaults(call=call)
    return parser


class _Version(argparse.Action):
    """Looks the version up when asked, not before."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"deit-finetune {version('deit-finetune')}")
        parser.exit()


def _recipe_options(verb: argparse.ArgumentParser) -> None:
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


def _train_options(verb: argparse.ArgumentParser) -> None:
    _recipe_options(verb)
    verb.add_argument("--resume", action="store_true", help="go on with the interrupted run of this recipe")
    verb.add_argument("--overwrite", action="store_true", help="replace the run folder of that name")


def _show_options(verb: argparse.ArgumentParser) -> None:
    _recipe_options(verb)
    verb.add_argument("--out", metavar="FILE", type=Path, help="PNG to write; default: NAME-augmented.png of the run")
    verb.add_argument("--images", metavar="N", type=_count, default=8, help="images to show; default: 8")


def _init_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("images", metavar="FOLDER|CSV", type=Path, help="class folders, a table, JSON lines or MLTable")
    verb.add_argument("--out", metavar="FILE", type=Path, default=Path("recipe.yaml"), help="default: recipe.yaml")
    verb.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def _predict_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("run", metavar="RUN", help="run folder, or a crossval folder, whose models predict together")
    verb.add_argument("images", metavar="IMAGE", nargs="+", help="image file")
    verb.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16 is faster, 5e-4 less exact")
    verb.add_argument("--top-k", metavar="K", type=_count, help="print the K most probable classes only")
    verb.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average the logits of each image and its mirror image; by default as the run's evaluate.flip says",
    )


def _crossval_options(verb: argparse.ArgumentParser) -> None:
    _train_options(verb)
    verb.add_argument("--folds", metavar="K", type=_count, default=5, help="default: 5")


def _find_lr_options(verb: argparse.ArgumentParser) -> None:
    _recipe_options(verb)
    verb.add_argument(
        "--steps", metavar="N", type=_count, default=100, help="from the lowest to the highest; default: 100"
    )
    verb.add_argument("--low", metavar="RATE", type=float, default=1e-7, help="first learning rate; default: 1e-7")
    verb.add_argument("--high", metavar="RATE", type=float, default=1.0, help="last learning rate; default: 1")
    verb.add_argument("--overwrite", action="store_true", help="replace the folder of that name")


def _sweep_options(verb: argparse.ArgumentParser) -> None:
    _recipe_options(verb)
    verb.add_argument(
        "--trials", metavar="N", type=_count, default=20, help="in all, earlier ones counted; default: 20"
    )
    verb.add_argument("--storage", metavar="URL", help="database that several machines share; default: a SQLite file")


def _features_options(verb: argparse.ArgumentParser) -> None:
    _recipe_options(verb)
    out = Path("features.parquet")
    verb.add_argument("--out", metavar="FILE", type=Path, default=out, help=f".parquet or .npz; default: {out}")
    verb.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 up")
    return int(text)


def _no_options(verb: argparse.ArgumentParser) -> None:
    pass


# ---------------------------------------------------------------- verbs


def _train(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.training import Interrupted, train

    try:
        run = train(recipe, fallback=not options.no_fallback, resume=options.resume, overwrite=options.overwrite)
    except Interrupted as stopped:
        _complain(str(stopped))
        return INTERRUPTED
    if os.environ.get("RANK", "0") == "0":
        from finetune.api.summary import summary

        print(summary(run))
    return OK


def _check(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.fallback import reach

    reached = reach(recipe, strict=options.no_fallback, parts=("data",))
    if reached.notice:
        print(reached.notice, file=sys.stderr)
    from finetune.data.load import check_data

    findings = check_data(reached.recipe)
    print(findings.render())
    return USERS_MISTAKE if findings.faults else OK


def _show(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.fallback import reach

    reached = reach(recipe, strict=options.no_fallback, parts=("checkpoint", "data"))
    if reached.notice:
        print(reached.notice, file=sys.stderr)
    from finetune.training.contact_sheet import write_contact_sheet

    print(write_contact_sheet(reached.recipe, options.images, options.out))
    return OK


def _init(options: argparse.Namespace) -> int:
    from finetune.proposal import write_proposal

    print(write_proposal(options.images, options.out, overwrite=options.overwrite))
    return OK


def _schema(options: argparse.Namespace) -> int:
    from finetune.recipe import recipe_schema

    print(json.dumps(recipe_schema(), indent=2))
    return OK


def _predict(options: argparse.Namespace) -> int:
    from finetune.api import open_run

    choice = {} if options.flip is None else {"flip": options.flip}
    for said in open_run(options.run).predict(options.images, precision=options.precision, **choice):
        probabilities = said.top(options.top_k or len(said.probabilities))
        line = {
            "path": said.path,
            "predicted": said.predicted,
            "probabilities": {name: value if math.isfinite(value) else None for name, value in probabilities},
        }
        print(json.dumps(line, ensure_ascii=not _speaks_utf8()))
    return OK


def _crossval(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.search import crossval, crossval_table
    from finetune.training import Interrupted

    fallback, again = not options.no_fallback, {"resume": options.resume, "overwrite": options.overwrite}
    try:
        folder = crossval(recipe, options.folds, fallback=fallback, **again)
    except Interrupted as stopped:
        _complain(str(stopped))
        return INTERRUPTED
    if os.environ.get("RANK", "0") == "0":
        notice = folder.read_record().get("notice")
        print(*([notice, ""] if notice else []), crossval_table(folder.read_metrics()), "", sep="\n")
        print(f"folder: {folder}; deit-finetune predict {folder} IMAGE asks all its models")
    return OK


def _find_lr(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.search import find_learning_rate

    limits = {"steps": options.steps, "low": options.low, "high": options.high}
    found = find_learning_rate(recipe, **limits, fallback=not options.no_fallback, overwrite=options.overwrite)
    if os.environ.get("RANK", "0") == "0":
        from finetune.recipe.words import number

        rate = found.learning_rate
        print(
            f"no suggestion: {found.note}" if rate is None else f"optim.learning_rate: {number(rate)}  # {found.note}"
        )
        print(f"curve: {found.folder}/find-lr.png")
    return OK


def _sweep(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.search import sweep, trials_table
    from finetune.training import Interrupted

    try:
        found = sweep(recipe, options.trials, storage=options.storage, fallback=not options.no_fallback)
    except Interrupted as stopped:
        _complain(str(stopped))
        return INTERRUPTED
    print(trials_table(found.trials, found.metric))
    print(f"\n{len(found.trials)} completed, {found.pruned} stopped early, {found.failed} failed")
    print(f"the best as a recipe: {found.best}")
    return OK


def _features(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.training.features_file import write_features

    said = write_features(recipe, options.out, fallback=not options.no_fallback, overwrite=options.overwrite)
    if os.environ.get("RANK", "0") == "0":
        print(said)
    return OK


def _speaks_utf8() -> bool:
    return sys.stdout.encoding.lower().replace("-", "") == "utf8"


def _load(options: argparse.Namespace) -> Any:
    from finetune.recipe import load_recipe
    from finetune.recipe.yaml_text import parse_value

    overrides = {}
    for word in options.overrides:
        key, equals, value = word.partition("=")
        if not equals:
            raise RecipeError([f"{word}: expected KEY=VALUE, such as optim.epochs=3"], "--set")
        overrides[key.strip()] = parse_value(value, key.strip())
    return load_recipe(options.recipe, overrides)


VERBS = {
    "train": (_train, _train_options, "Train as the recipe says."),
    "check": (_check, _recipe_options, "Read the data and say what was found, without training."),
    "show": (_show, _show_options, "Write a picture of training images as the model sees them, without training."),
    "init": (_init, _init_options, "Look at your images and write a recipe for them."),
    "predict": (_predict, _predict_options, "Say what is on images, one JSON line each."),
    "crossval": (_crossval, _crossval_options, "Train once per fold of the data and say what the folds say together."),
    "find-lr": (_find_lr, _find_lr_options, "Try rising learning rates for some steps and suggest one."),
    "sweep": (_sweep, _sweep_options, "Try other values of what search.space names, and write the best recipe."),
    "features": (_features, _features_options, "Write the features of every image that a recipe names."),
    "schema": (_schema, _no_options, "Print the recipe's JSON schema."),
}
