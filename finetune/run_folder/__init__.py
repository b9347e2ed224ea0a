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

A file appears whole or not at all: it is written under another name, then renamed.
"""

from finetune.run_folder.folder import RunFolder, Status

__all__ = ["RunFolder", "Status"]
