"""``deit-finetune predict``: JSON lines on stdout, or a file of any size."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from finetune.cli.exits import INTERRUPTED, OK, USERS_MISTAKE, complain
from finetune.recipe.options import is_options_file, load_options
from finetune.recipe.sections import Predict

if TYPE_CHECKING:
    from finetune.api import Run
    from finetune.batch import Answer
    from finetune.predict import Prediction

_PRINTED_AT_ONCE = 64


def predict(words: Mapping[str, Any]) -> int:
    """Carry out what the command line says.

    Args:
        words: argparse's values by the keys of `Predict`; None or empty where nothing was said.
    """
    said = {key: words[key] for key in Predict.model_fields if words[key] not in (None, [])}
    source: Any = {}
    if is_options_file(words["run"]):
        source = said.pop("run")
    options = load_options(Predict, source, said, verb="predict")
    return _print(options) if options.out is None else _write(options)


def _write(options: Predict) -> int:
    from finetune.api import open_run
    from finetune.batch import Inputs
    from finetune.evaluation.progress import bar

    run = open_run(options.run, runtime=options.runtime)
    watched, main = sys.stderr.isatty(), os.environ.get("RANK", "0") == "0"
    total = Inputs(options.inputs, options.column, options.paths_from).count() if watched and main else None
    given = options.model_dump(exclude={"run", "inputs", "out", "runtime"})
    stopped = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        with bar(total) as advance:
            written = run.predict_to(options.inputs, str(options.out), on_batch=advance if main else None, **given)
    except KeyboardInterrupt:
        complain(f"stopped; what was done is in {options.out}.parts; the same command goes on (without --overwrite)")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, stopped)
    if main:
        print(written)
    return OK


def _print(options: Predict) -> int:
    """A line for each image; the user's mistake only where none of them can be read."""
    from finetune.api import open_run

    read = unread = 0
    for answer in _answers(open_run(options.run, runtime=options.runtime), options):
        missing = {"path": answer.row.shown, "error": answer.error}
        print(_line(missing if answer.said is None else _said(answer.said, options.top_k)), flush=True)
        read, unread = read + (answer.said is not None), unread + (answer.said is None)
    if unread:
        complain(f"{unread} of {read + unread} images cannot be read; the error stands in place of a prediction")
    return USERS_MISTAKE if unread and not read else OK


def _answers(run: Run, options: Predict) -> Iterator[Answer]:
    from finetune.batch import Inputs, answers, in_parts, with_threshold

    predictor, first = with_threshold(run.predictor, options.threshold), 1
    for rows in in_parts(Inputs(options.inputs, options.column, options.paths_from), _PRINTED_AT_ONCE):
        yield from answers(predictor, rows, options, first)
        first += len(rows)


def _said(said: Prediction, top_k: int | None) -> dict[str, Any]:
    probabilities = said.top(top_k or len(said.probabilities))
    return {
        "path": said.path,
        "predicted": said.predicted,
        "probabilities": {name: value if math.isfinite(value) else None for name, value in probabilities},
    }


def _line(values: Mapping[str, Any]) -> str:
    utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    return json.dumps(values, ensure_ascii=not utf8)
