"""The run folder: what is in it, how it is written and how it is read back.

    runs/fridge/
      record.json        status, versions, hardware, data, seconds …
      recipe.yaml        the resolved recipe, itself a valid recipe
      history.jsonl      a line per evaluation
      checkpoints/       what --resume goes on from
      tensorboard/       curves
      model/             what transformers loads as it is             (when training is over)
      metrics.json       {"validation": {"accuracy": …}, "test": …}   (when training is over)
      predictions.jsonl  a line per validation and test image         (when training is over)

A cross-validation's folder holds such a folder for each fold, and beside a record and a recipe of its own:

    runs/fridge-crossval/
      fold-1/ …          run folders without checkpoints; the fold is their test split
      metrics.json       {"folds": […], "mean": {…}, "interval": {…}, "out_of_fold": {…}}
      predictions.jsonl  a line per image, from the model that did not train on it, with its "fold"
      ensemble.json      which models predict together

A file appears whole or not at all: it is written under another name, then renamed.
"""

from finetune.run_folder.ensemble import is_ensemble, read_members, refuse_unfinished, write_members
from finetune.run_folder.folder import RunFolder, Status

__all__ = ["RunFolder", "Status", "is_ensemble", "read_members", "refuse_unfinished", "write_members"]
