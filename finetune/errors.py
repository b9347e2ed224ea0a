"""Every error that is the user's to mend, as one tree.

    FinetuneError
    ├── RecipeError          a recipe has faults; all of them are listed
    ├── DataError            images, tables or splits are not what the recipe says
    ├── CheckpointError      a checkpoint cannot be found, read, or does not fit
    ├── UnreachableError     a network resource that is needed cannot be reached
    ├── RunFolderError       a run folder is missing, incomplete, or in the way
    ├── HardwareError        the machine cannot do what was asked (memory, precision, device)
    └── TrainingError        training went where it cannot go on (a loss that is not a number)

A message says where, what was found, what was expected and what to do. The command line prints it
without a traceback and exits with 2. Anything else that is raised is this project's own fault and
exits with 1 and a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FinetuneError(Exception):
    """Base of all errors that a user can mend."""


class RecipeError(FinetuneError):
    """A recipe has faults.

    Args:
        faults: One line each, beginning with the dotted path of the key.
        source: The file (or other origin) that was read; it heads the message.
    """

    def __init__(self, faults: Iterable[str], source: str = "recipe") -> None:
        self.faults = list(faults)
        self.source = source
        if len(self.faults) == 1:
            message = f"{source}: {self.faults[0]}"
        else:
            message = "\n".join([f"{source}: {len(self.faults)} faults", *(f"  {fault}" for fault in self.faults)])
        super().__init__(message)


class DataError(FinetuneError):
    """Images, tables or splits are not what the recipe says."""


class CheckpointError(FinetuneError):
    """A checkpoint cannot be found, read, or does not fit the model that is asked for."""


class UnreachableError(FinetuneError):
    """A network resource that is needed cannot be reached."""


class RunFolderError(FinetuneError):
    """A run folder is missing, incomplete, or in the way."""


class HardwareError(FinetuneError):
    """The machine cannot do what was asked."""


class TrainingError(FinetuneError):
    """Training cannot go on."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the nearest known word, or an empty string.

    >>> did_you_mean("tabbi", ["tabby", "siamese"])
    "; did you mean 'tabby'?"
    >>> did_you_mean("xyz", ["tabby"])
    ''
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
