"""What stands on the terminal when a search is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.metrics.table import HEADLINES, aligned
from finetune.recipe.words import number

LEGEND = """\
±            half of the 95 % interval of the mean
out of fold  all {images} images at once, each predicted by the model that did not
             train on it"""


def crossval_table(metrics: Mapping[str, Any]) -> str:
    """The headline metrics of a cross-validation: mean over folds ± half the 95 % interval, and out of fold.

    >>> spread = {"mean": {"accuracy": 0.9}, "interval": {"accuracy": [0.85, 0.95]}}
    >>> print(crossval_table({"folds": [{}, {}], **spread, "out_of_fold": {"images": 34, "accuracy": 0.91}}))
              mean of 2 folds  out of fold
    accuracy  0.9000 ± 0.0500       0.9100
    <BLANKLINE>
    ±            half of the 95 % interval of the mean
    out of fold  all 34 images at once, each predicted by the model that did not
                 train on it
    """
    keys = [key for key in HEADLINES if key in metrics["mean"]]
    spreads = [_spread(metrics["mean"][key], metrics["interval"][key]) for key in keys]
    together = [_short(metrics["out_of_fold"].get(key)) for key in keys]
    heads = f"mean of {len(metrics['folds'])} folds", "out of fold"
    table = aligned([["", *keys], [heads[0], *spreads], [heads[1], *together]])
    return f"{table}\n\n{LEGEND.format(images=metrics['out_of_fold']['images'])}"


def trials_table(trials: Sequence[Mapping[str, Any]], metric: str, rows: int = 5) -> str:
    """The trials of a sweep, the best first.

    Args:
        trials: Each with ``number``, ``value`` and ``values`` by dotted key; the best first.
        metric: What ``value`` is.
        rows: At most so many are shown.

    >>> print(trials_table([{"number": 3, "value": 0.9, "values": {"optim.learning_rate": 1e-4}}], "accuracy"))
    trial  accuracy  optim.learning_rate
    3        0.9000                 1e-4
    """
    shown = trials[:rows]
    keys = list(dict.fromkeys(key for trial in shown for key in trial["values"]))
    columns = [["trial", *(str(trial["number"]) for trial in shown)]]
    columns.append([metric, *(_short(trial["value"]) for trial in shown)])
    columns += [[key, *(_word(trial["values"].get(key)) for trial in shown)] for key in keys]
    return aligned(columns)


def values_line(values: Mapping[str, Any]) -> str:
    """The values of a trial in a line.

    >>> values_line({"optim.learning_rate": 1.2345e-4, "augment.preset": "none"})
    'optim.learning_rate 1.23e-4, augment.preset none'
    """
    return ", ".join(f"{key} {_word(value)}" for key, value in values.items())


def _spread(mean: float | None, interval: Sequence[float] | None) -> str:
    return "-" if mean is None or interval is None else f"{mean:.4f} ± {(interval[1] - interval[0]) / 2:.4f}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _word(value: Any) -> str:
    return number(float(f"{value:.3g}")) if isinstance(value, float) else "null" if value is None else str(value)
