"""The run folder: what is in it, how it is written and how it is read back.

    runs/fridge/
      record.json        status, versions, hardware, data, seconds …
      recipe.yaml        the resolved recipe, itself a valid recipe
      digests.jsonl      by split, what the bytes of each image are known by
      history.jsonl      a line per evaluation
      checkpoints/       what --resume goes on from
      tensorboard/       curves
    and when training is over:
      model/             what transformers loads as it is; decision.json in it where something was tuned
      metrics.json       {"validation": {"accuracy": …, "intervals": {"accuracy": [low, high]}}, "test": …}
      predictions.jsonl  a line per validation and test image
      reliability.json   {"validation": {"before": {"ece", "bins"}, "after": … or null}, "test": …}
      label_errors.json  {"images": [{"split", "path", "given", "suspected", "score"}], "classes": […]}
      tuning.json        what thresholds and temperatures gained, where something was tuned
      pictures/          thumbnails and overlays of a few images, and index.json, which says what they show
      report.html        all of it as a page
      evaluations/NAME/  metrics to report again, of a later evaluation, and data.json, which says of what

A cross-validation's folder holds such a folder for each fold, and beside a record and a recipe of its own:

    runs/fridge-crossval/
      fold-1/ …          run folders without checkpoints; the fold is their test split
      metrics.json       {"folds": […], "mean": {…}, "interval": {…}, "out_of_fold": {…}}
      predictions.jsonl  a line per image, from the model that did not train on it, with its "fold"
      pictures/, report.html
      ensemble.json      which models predict together

A file appears whole or not at all: it is written under another name, then renamed.
"""

from finetune.run_folder.ensemble import is_ensemble, read_members, refuse_unfinished, write_members
from finetune.run_folder.folder import RunFolder, Status
from finetune.run_folder.places import is_run, make_folder
from finetune.run_folder.results import ResultFolder

__all__ = [
    "ResultFolder",
    "RunFolder",
    "Status",
    "is_ensemble",
    "is_run",
    "make_folder",
    "read_members",
    "refuse_unfinished",
    "write_members",
]
