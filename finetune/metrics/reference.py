"""The README of this folder, written from the table of metrics: ``python -m finetune.metrics.reference``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from finetune.metrics.azure_names import AZURE_NAMES
from finetune.metrics.definitions import COUNTS, METRICS, PER_CLASS

README = Path(__file__).with_name("README.md")

_INTRODUCTION = """\
<!-- Written by `python -m finetune.metrics.reference`; edit definitions.py or reference.py, not this file. -->
# Metrics

What stands in `metrics.json` for each split, at every evaluation in `history.jsonl`, and what `evaluate.best_metric`
may name. All are fractions, not percent. TP, FP and FN are right, false and missed predictions of a class; a cell is
one class of one image; micro, macro, weighted and samples say over what a mean is taken.
"""

_RULES = """\
## Where a metric has no value

It is `null` (None in Python): never NaN, and never a 0 that only means "nothing to measure".

- **A class without positives** in the split has no recall, F1, IoU, average precision or AUROC, and no part in any
  macro or weighted mean. scikit-learn gives the same means if it is told the classes that occur:
  `f1_score(..., labels=occurring, average="macro", zero_division=0)`. Micro means count its false predictions,
  and have a value by the same rules, all classes taken as one.
- **A class that occurs and is never predicted** has precision 0, not `null`: leaving it out would reward not
  predicting it.
- **An image without labels** (multilabel) that gets none is right: 1 in the samples means, where scikit-learn's default
  is 0. If it gets any, all four are 0. One with labels that gets none has precision 0.
- **A single class in the whole split**: AUROC and Matthews correlation are `null`. Average precision of a class that
  every image has is 1, whatever the scores. With one class in all, accuracy is 1 and loss 0: there is nothing to learn.
- **Unknown labels** (an empty cell of a 0/1 table): the cell is left out of everything. Per-class values run over the
  images where the class is known, micro means over known cells, samples means and exact match over images with a known
  cell, comparing known cells only.
- **A logit that is NaN or infinite**: every metric is `null`, and `images_not_finite` counts the images. Training
  stops with an error then.
- **No images**: every metric is `null`, `images` is 0.

## How they are computed

- Decisions: the highest logit, the lower class id among equals (multiclass); probability at or above
  `evaluate.thresholds`, or the class's tuned threshold (multilabel).
- Average precision is stepwise, the sum of (R_k - R_k-1) * P_k, as scikit-learn's `average_precision_score`; not the
  11-point AP of VOC 2007, so the two do not compare. Tied scores enter as one step, in AUROC as half.
  Images with the same logits tie, in whatever order the other classes have theirs (multiclass).
- Ranking metrics take log-odds, log(p / (1 - p)), in float64: under a sigmoid that is the logit. It orders as the
  probability does, while float32 probabilities tie at 1.0 from a logit of about 17 on, and ties move the result.
- A distilled DeiT is measured by the mean of its two heads' logits, as it predicts; its training loss is the mean of
  the heads' losses, so the two losses differ.
- Confusion matrix: rows are true classes, columns predicted ones.

All metrics of a split take 0.01 s for 300 images and 10 classes, 0.12 s for 50,000 and 10, 1.5 s for 5,000 and 1,000,
1.2 s for a million and 4 (multiclass); 1.6 s for 100,000 and 20 (multilabel), on one core of a 2-core machine
(`python tests/benchmarks/score_metrics.py`). Beside logits and targets they hold 130 MB for a million images and 4
classes (multiclass), 310 MB (multilabel), and 420 MB for 50,000 and 1,000; intervals add at most 210 MB
(`python tests/benchmarks/trust.py memory`).
"""


_MODULES = """\
## As modules of `evaluate`

```python
import evaluate
from finetune.metrics.modules import module_path

metric = evaluate.load(str(module_path("multilabel")))  # or "multiclass"; needs no network
metric.compute(predictions=logits, references=targets, class_names=["can", "carton"], threshold=0.5)
```
"""

_INTERVALS = """\
## Intervals

`metrics.json` of a finished run, of a cross-validation's `out_of_fold` and of `deit-finetune evaluate` has `intervals`
for the headline metrics: `[low, high]`, 95 %. They say how far the number would move on other images of the same kind,
for this model; how far it moves over models, `deit-finetune crossval` says.

- Shares of images (accuracy, top-k accuracy): Wilson's interval.
- All others: a bootstrap over images, bias-corrected (Efron 1987): 1,000 draws up to 20,000 cells; beyond that fewer,
  at least 100, and 1.96 of their standard deviations on either side. How often these intervals hold the truth:
  `python tests/benchmarks/trust.py intervals`.
- `null`: the metric has no value; or every draw gives the same, as with a perfect score on few images, of which a
  bootstrap cannot say how much worse it might be (accuracy's interval can); or it is mAP of more than half a million
  cells.

## What else is measured of a finished model

- `abstaining` in `metrics.json`, where a multiclass model was tuned to say nothing when unsure: the threshold
  `abstain_below`, the share `decided`, `accuracy_of_decided`, and `net`, right answers less wrong ones as a share of
  all. All other metrics take the most probable class of every image.
- The split that thresholds were tuned on is decided, in `metrics.json` and `predictions.jsonl`, by thresholds that the
  other folds of it give, so that its numbers are honest. `tuning.json` has both: `untuned`, `fitted`, `cross_fitted`.
- `reliability.json`: the expected calibration error `ece` over 15 equal ranges of probability, and the `bins` of a
  reliability diagram, `before` and `after` the temperature. multiclass: the highest probability of an image and whether
  it is right. multilabel: every known cell, and `per_class`.
- `label_errors.json`: labels that are perhaps wrong, by confident learning (Northcutt, Jiang and Chuang 2021).

## Azure's names

`deit-finetune evaluate RUN --data DATA --config config.json` takes Azure's evaluation config,
`{"metrics": ["accuracy", …], "threshold": 0.5}`, and writes `azure.json` with its names besides. Without `metrics` it
writes all: 28, and four of IoU for several labels an image. Azure's means run over the classes that occur or are
predicted, ours over those that occur: they agree where each class occurs. Definitions: azureml-metrics 0.0.91.
"""


def reference() -> str:
    """The README as text, in Markdown."""
    metrics = [
        f"| `{metric.key}` | {metric.title} | {_mark(metric.tasks)} | {metric.definition} | {metric.range} "
        f"| {metric.better} |"
        for metric in METRICS
    ]
    counts = [f"| `{column.key}` | {_mark(column.tasks)} | {column.definition} |" for column in COUNTS]
    per_class = [f"| `{column.key}` | {_mark(column.tasks)} | {column.definition} |" for column in PER_CLASS]
    return "\n".join(
        [
            _INTRODUCTION,
            *_table(["key", "name", "task", "definition", "range", "better"], metrics),
            "Beside them, for each split:\n",
            *_table(["key", "task", "definition"], counts),
            "In `per_class`, for each class:\n",
            *_table(["key", "task", "definition"], per_class),
            _RULES,
            _INTERVALS,
            *_table(["Azure", "multiclass", "multilabel", ""], _azure()),
            _MODULES.rstrip("\n"),
            "",
        ]
    )


def _azure() -> list[str]:
    return [
        f"| `{name}` | {_key(azure.multiclass)} | {_key(azure.multilabel)} | {azure.note} |"
        for name, azure in AZURE_NAMES.items()
    ]


def _key(name: str) -> str:
    return f"`{name}`" if name else ""


def _table(head: list[str], rows: Iterable[str]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *rows, ""]


def _mark(tasks: tuple[str, ...]) -> str:
    return "both" if len(tasks) == 2 else tasks[0]


if __name__ == "__main__":
    README.write_text(reference(), encoding="utf-8")
