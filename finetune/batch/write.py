"""A prediction from inputs to a file: parts shared out over processes, then merged."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finetune.batch.columns import Columns
from finetune.batch.inputs import Inputs
from finetune.batch.merge import WRITERS, merge
from finetune.batch.parts import Parts, in_parts
from finetune.batch.rows import Row
from finetune.batch.scoring import answers, pictures_folder
from finetune.errors import DataError, RunFolderError
from finetune.metrics.definitions import MULTICLASS
from finetune.predict import Predictor
from finetune.recipe.sections import Predict
from finetune.recipe.words import either
from finetune.training.hardware import Hardware, process_place
from finetune.training.processes import from_main, join_processes

_WAIT_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written.

    Args:
        path: The file.
        images: Rows in it.
        errors: Those of them that have an error instead of a prediction; 0 in all processes but the first.
        before: Images that an earlier, interrupted call had done.
        seconds: That this call took.
    """

    path: Path
    images: int
    errors: int
    before: int
    seconds: float

    def __str__(self) -> str:
        rate = f" ({(self.images - self.before) / self.seconds:.1f} images/s)" if self.seconds else ""
        before = f", {self.before:,} of them done before" if self.before else ""
        return f"{self.path}: {self.images:,} images{before}, {self.errors:,} with an error; {self.seconds:.1f} s{rate}"


def meet() -> str | None:
    """Meet the other processes that `accelerate launch` started; the device of this one, None for a single process."""
    rank, processes = process_place()
    if processes == 1:
        return None
    import torch
    from accelerate import PartialState

    join_processes(Hardware("cuda" if torch.cuda.is_available() else "cpu", "fp32", rank, processes))
    return str(PartialState().device)


def predict_to(
    predictor: Predictor,
    options: Predict,
    models: Sequence[Path],
    *,
    on_batch: Callable[[int], None] | None = None,
) -> Written:
    """Write what the model says of every input, in order; go on where an earlier call with the same was interrupted.

    Args:
        predictor: Of the run.
        options: With ``out``. Where several processes call this at once, they share the work, and each returns when
            the file is there.
        models: The model folders that the predictor is made of: parts of other weights are not mixed in.
        on_batch: Called with the number of images that were done.
    Raises:
        DataError: an input is missing, a table cannot be read, or ``out`` has a suffix that is not known.
        RunFolderError: ``out`` exists, or its parts are of another prediction.
    """
    assert options.out is not None
    out = Path(options.out).expanduser()
    _check(out)
    pictures_folder(options)
    predictor = with_threshold(predictor, options.threshold)
    inputs = Inputs(options.inputs, options.column, options.paths_from)
    job = _Job(predictor, options, _columns(predictor, options), inputs, Parts(out), *process_place())
    manifest = _manifest(predictor, options, models)
    try:
        done = from_main(lambda: job.parts.begin(manifest, overwrite=options.overwrite))
        return job.carry_out(set(done), on_batch)
    finally:
        job.parts.let_go()


@dataclasses.dataclass(frozen=True)
class _Job:
    predictor: Predictor
    options: Predict
    columns: Columns
    inputs: Inputs
    parts: Parts
    rank: int
    processes: int

    def carry_out(self, done: set[int], on_batch: Callable[[int], None] | None) -> Written:
        """Make the parts that are not done, those of this process, and then one file of all."""
        began, number, images, before, missing = time.perf_counter(), -1, 0, 0, 0
        for number, rows in enumerate(in_parts(self.inputs, self.options.part_images)):
            if number in done:
                self._take_over(number, rows, on_batch)
                before += len(rows)
            else:
                if missing % self.processes == self.rank:
                    self._predict(number, rows, images + 1, on_batch)
                elif on_batch is not None:
                    on_batch(len(rows))  # another process is at it, at about the same pace
                missing += 1
            images += len(rows)
        if any(other > number for other in done):
            raise RunFolderError(
                f"{self.parts.folder}: holds parts of more images than there are now; restore them, or begin anew by "
                "--overwrite"
            )
        errors = self._merge(number + 1)
        return Written(self.parts.out, images, errors, before, time.perf_counter() - began)

    def _take_over(self, number: int, rows: Sequence[Row], on_batch: Callable[[int], None] | None) -> None:
        if self.rank == 0:
            self.parts.check(number, rows)
        if on_batch is not None:
            on_batch(len(rows))

    def _predict(self, number: int, rows: Sequence[Row], first: int, on_batch: Callable[[int], None] | None) -> None:
        found = answers(self.predictor, rows, self.options, first, on_batch)
        self.parts.write(number, rows, [self.columns.line(*answer) for answer in found])

    def _merge(self, count: int) -> int:
        """Wait until the others have done theirs, by looking: a barrier would give up after half an hour."""
        if self.rank != 0:
            while self.parts.folder.exists():
                time.sleep(_WAIT_SECONDS)
            return 0
        while not all(self.parts.has(number) for number in range(count)):
            time.sleep(_WAIT_SECONDS)
        errors = merge(self.parts.out, self.columns, self.parts.lines(count))
        self.parts.end()
        return errors


def with_threshold(predictor: Predictor, threshold: float | None) -> Predictor:
    """The predictor, or one that predicts every label from ``threshold`` up.

    Raises:
        DataError: of one label an image the most probable is predicted.
    """
    if threshold is None:
        return predictor
    if predictor.task.name == MULTICLASS:
        raise DataError(
            "--threshold: of one label an image the most probable is predicted, so a threshold does nothing; leave it "
            "out, or let deit-finetune evaluate RUN --tune-thresholds find out below which probability the model "
            "should abstain"
        )
    other = copy.copy(predictor)
    other.threshold, other.decision = threshold, dataclasses.replace(predictor.decision, thresholds=None)
    return other


def _check(out: Path) -> None:
    if out.suffix.casefold() not in WRITERS:
        found = f"ends in {out.suffix!r}" if out.suffix else "has no suffix"
        raise DataError(f"--out {out}: {found}; expected a name that ends in {either(list(WRITERS))}")
    if not out.absolute().parent.is_dir():
        raise DataError(f"--out {out}: there is no folder {out.absolute().parent}; make it first")
    if out.is_dir():
        raise DataError(f"--out {out}: is a folder; expected the name of a file")


def _columns(predictor: Predictor, options: Predict) -> Columns:
    azure, classes = options.format == "azure", predictor.labels.names
    if azure and Path(options.out or "").suffix.casefold() != ".csv":
        raise DataError(f"--out {options.out}: the azure format is CSV; expected a name that ends in .csv")
    top_k = min(options.top_k or 0, len(classes))
    return Columns(predictor.task.name, classes, top_k, options.all_labels, azure)


_IN_THE_ROWS = ("format", "top_k", "all_labels", "column", "precision", "part_images", "pictures")


def _manifest(predictor: Predictor, options: Predict, models: Sequence[Path]) -> dict[str, Any]:
    """All that the rows follow from. Batch size and device are not in it: they move no more than the last digits."""
    return {
        "model": [_digest(folder) for folder in models],
        "inputs": [os.path.abspath(os.path.expanduser(word)) for word in options.inputs],
        "paths_from": options.paths_from and os.path.abspath(os.path.expanduser(options.paths_from)),
        "threshold": predictor.thresholds,
        "flip": predictor.flip if options.flip is None else options.flip,
        **{key: getattr(options, key) for key in _IN_THE_ROWS},
    }


def _digest(folder: Path) -> str:
    """sha256 over the files of a model's folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with path.open("rb") as file:
                digest.update(f"{path.name}\n".encode())
                while block := file.read(2**20):
                    digest.update(block)
    return digest.hexdigest()
