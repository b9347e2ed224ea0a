"""What each verb does: a call, and what is printed of it. What the call needs is imported inside it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from finetune.cli import options as of
from finetune.cli.exits import INTERRUPTED, OK, USERS_MISTAKE, complain
from finetune.errors import RecipeError


def _train(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.training import Interrupted, train

    try:
        run = train(recipe, fallback=not options.no_fallback, resume=options.resume, overwrite=options.overwrite)
    except Interrupted as stopped:
        complain(str(stopped))
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
    from finetune.data.load import look_over

    over = look_over(reached.recipe)
    findings = over.findings
    print(findings.render())
    if options.out is not None:
        from finetune.data.sight.sheets import write_sheets

        sheets = write_sheets(findings, over.rows, options.out)
        pictures = ", ".join(sheet.name for sheet in sheets) or "no pictures, as nothing was found that can be shown"
        print(f"\n{options.out}: findings.json, {pictures}")
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
    from finetune.recipe.schema import options_schema, recipe_schema

    print(json.dumps(recipe_schema() if options.of == "recipe" else options_schema(options.of), indent=2))
    return OK


def _predict(options: argparse.Namespace) -> int:
    from finetune.cli.predict import predict

    return predict(vars(options))


def _serve(options: argparse.Namespace) -> int:
    from finetune.recipe.options import is_options_file, load_options
    from finetune.recipe.sections import Serve
    from finetune.serve import serve

    given = {key: value for key, value in vars(options).items() if key in Serve.model_fields}
    file = given.pop("run") if is_options_file(options.run) else {}
    serve(load_options(Serve, file, given, verb="serve"))
    return OK


def _evaluate(options: argparse.Namespace) -> int:
    from finetune.api.evaluation import measure
    from finetune.evaluation.azure_config import read_azure_config
    from finetune.evaluation.progress import bar
    from finetune.evaluation.wish import Wish

    wish = Wish(
        options.data,
        options.split,
        _overrides(options.data_overrides),
        options.classes,
        options.class_names,
        options.name,
        options.out,
        None if options.config is None else read_azure_config(options.config),
        options.threshold,
        options.top_k,
        options.flip,
        options.precision,
    )
    tune = {"tune_thresholds": options.tune_thresholds, "calibrate": options.calibrate}
    with bar() as advance:
        evaluation = measure(options.model, wish, **tune, on_batch=advance)
    print(evaluation)
    return OK


def _compare(options: argparse.Namespace) -> int:
    from finetune.evaluation.compare import compare
    from finetune.evaluation.comparison_table import comparison_table
    from finetune.run_folder.json_files import write_json

    found = compare(options.runs, options.split)
    print(comparison_table(found, options.images))
    if options.out is not None:
        write_json(options.out, found.as_dict())
        print(f"\nall of it: {options.out}")
    return OK


def _crossval(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.search import crossval, crossval_table
    from finetune.training import Interrupted

    fallback, again = not options.no_fallback, {"resume": options.resume, "overwrite": options.overwrite}
    try:
        folder = crossval(recipe, options.folds, fallback=fallback, **again)
    except Interrupted as stopped:
        complain(str(stopped))
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
        complain(str(stopped))
        return INTERRUPTED
    print(trials_table(found.trials, found.metric))
    print(f"\n{len(found.trials)} completed, {found.pruned} stopped early, {found.failed} failed")
    print(f"the best as a recipe: {found.best}")
    return OK


def _report(options: argparse.Namespace) -> int:
    from finetune.report import open_subject, write_report

    print(write_report(open_subject(options.run)))
    return OK


def _features(options: argparse.Namespace) -> int:
    recipe = _load(options)
    from finetune.training.features_file import write_features

    said = write_features(recipe, options.out, fallback=not options.no_fallback, overwrite=options.overwrite)
    if os.environ.get("RANK", "0") == "0":
        print(said)
    return OK


def _export(options: argparse.Namespace) -> int:
    from finetune.api.exported import export

    given = {name: value for name in of.EXPORT_OPTIONS if (value := getattr(options, name)) is not None}
    print(export(options.run, options.to, **given))
    return OK


def _load(options: argparse.Namespace) -> Any:
    from finetune.recipe import load_recipe

    return load_recipe(options.recipe, _overrides(options.overrides))


def _overrides(words: list[str]) -> dict[str, Any]:
    from finetune.recipe.yaml_text import parse_value

    overrides = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise RecipeError([f"{word}: expected KEY=VALUE, such as optim.epochs=3"], "--set")
        overrides[key.strip()] = parse_value(value, key.strip())
    return overrides


VERBS = {
    "train": (_train, of.train_options, "Train as the recipe says."),
    "check": (_check, of.check_options, "Look at the data and say what was found, without training."),
    "show": (_show, of.show_options, "Write a picture of training images as the model sees them, without training."),
    "init": (_init, of.init_options, "Look at your images and write a recipe for them."),
    "predict": (_predict, of.predict_options, "Say what is on images: JSON lines, or a table of any size."),
    "serve": (_serve, of.serve_options, "Answer HTTP requests, in Azure's schema, with what a run says of images."),
    "evaluate": (_evaluate, of.evaluate_options, "Measure a run or a checkpoint on images with labels."),
    "compare": (_compare, of.compare_options, "Say whether runs differ on the same images, and on which."),
    "crossval": (
        _crossval,
        of.crossval_options,
        "Train once per fold of the data and say what the folds say together.",
    ),
    "find-lr": (_find_lr, of.find_lr_options, "Try rising learning rates for some steps and suggest one."),
    "sweep": (_sweep, of.sweep_options, "Try other values of what search.space names, and write the best recipe."),
    "features": (_features, of.features_options, "Write the features of every image that a recipe names."),
    "report": (_report, of.run_options, "Write the report.html of a run, a cross-validation or an evaluation again."),
    "schema": (_schema, of.schema_options, "Print the JSON schema of recipes, or of a verb's options."),
    "export": (_export, of.export_options, "Write a run for other programs: ONNX, MLflow, or a repository of the Hub."),
}
