"""A model on data, measured: the one module of this package that computes scores."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datasets import Dataset

from finetune.data import Splits, load_splits, targets
from finetune.data.decoded import DecodedImages
from finetune.errors import DataError, RunFolderError
from finetune.evaluation.azure_metrics import azure_metrics
from finetune.evaluation.images import familiar, wanted_splits
from finetune.evaluation.matching import model_targets, outputs_of, read_class_names
from finetune.evaluation.opened import Opened, open_model
from finetune.evaluation.outcome import Judge, write_outcome
from finetune.evaluation.scored import Scored
from finetune.evaluation.tuning import Tuned, tune
from finetune.evaluation.wish import Wish
from finetune.labels import LabelSpace
from finetune.metrics.definitions import DEFAULT_TOP_K, MULTICLASS
from finetune.model.decision import Decision, write_decision
from finetune.predict import Precision, write_gallery
from finetune.run_folder import ResultFolder, RunFolder, make_folder

OWN = "held-out"


@dataclasses.dataclass(frozen=True)
class Told:
    """What came of it.

    Args:
        folder: Where it is written.
        notes: What a user should know.
        tuned: The run whose own results were written anew; None where nothing was tuned.
    """

    folder: ResultFolder
    notes: list[str] = dataclasses.field(default_factory=list)
    tuned: RunFolder | None = None


def evaluate(
    model: str | Path,
    wish: Wish | None = None,
    *,
    tune_thresholds: bool = False,
    calibrate: bool = False,
    device: str | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Told:
    """Measure a model, and write what was found.

    Args:
        model: A run folder, the folder of a cross-validation, or a checkpoint.
        wish: What to evaluate on, and how.
        tune_thresholds, calibrate: First tune the run's decision on its own validation split, save it with the model,
            and write the run's own metrics anew.
        device: Where to compute.
        on_batch: Called after each pass with the number of images in it.
    Returns:
        The folder ``evaluations/NAME`` of the run, or where ``wish`` says; the run's own where it was tuned and
        nothing else is asked for.
    Raises:
        FinetuneError: something that the caller can mend.
    """
    wish, opened = wish or Wish(), open_model(model, device)
    notes = [f"preprocessing: {opened.note}"] if opened.note else []
    _refuse_in_vain(opened, wish)
    only_tune = (tune_thresholds or calibrate) and wish == Wish()
    parts, seen = ([], {}) if only_tune else wanted_splits(opened, wish, notes)
    tuned = _tune(opened, tune_thresholds, calibrate, notes, on_batch) if tune_thresholds or calibrate else None
    if tuned is not None and only_tune:
        return Told(tuned, notes, tuned)
    began = time.perf_counter()
    measured = [_measured(opened, part, wish, on_batch) for part in parts]
    splits = [each.scored for each in measured]
    if opened.predictor.task.name == MULTICLASS and not any((scored.targets >= 0).any() for scored in splits):
        raise DataError(f"{seen['root']}: holds no image of these classes")
    met = familiar(opened, wish, [content for each in measured for content in each.contents], notes)
    folder = _folder(opened, wish)
    judge = _judge(opened, wish, splits)
    write_outcome(folder, judge, splits)
    _illustrate(folder, opened, measured)
    if wish.config is not None:
        folder.write_azure({scored.split: azure_metrics(scored, judge, wish.config) for scored in splits})
    counts = {each.scored.split: len(each.scored) for each in measured}
    folder.write_data(
        {
            "model": opened.name,
            "task": opened.predictor.task.name,
            "data": {**seen, **met, "counts": counts, "findings": parts[0][1].findings.as_dict()},
            "classes": list(splits[0].labels.names),
            "preprocessing": dataclasses.asdict(opened.predictor.pixels),
            "precision": _precision(opened, wish),
            "flip": opened.predictor.flip if wish.flip is None else wish.flip,
            "decision": dataclasses.asdict(judge.decision),
            "device": str(opened.predictor.device),
            "created": datetime.now(timezone.utc).isoformat(),
            "seconds": round(time.perf_counter() - began, 3),
        }
    )
    return Told(folder, notes, tuned)


# ---------------------------------------------------------------- scores


class _Measured(NamedTuple):
    """The scores of a split, its images, and what their bytes are known by."""

    scored: Scored
    dataset: Dataset
    contents: Sequence[bytes]


def _measured(
    opened: Opened, part: tuple[str, Splits], wish: Wish, on_batch: Callable[[int], None] | None
) -> _Measured:
    """What the model says of a split, and what is true, in the order of the model's outputs."""
    split, data = part
    predictor, labels = opened.predictor, opened.predictor.labels
    names = None if wish.class_names is None else read_class_names(Path(wish.class_names))
    truth, known, wanted = targets(data.datasets[split]), data.labels, _wanted(wish, data.labels)
    dataset, together, contents = data.datasets[split], data.together(split), data.contents[split]
    if wanted is not None:
        truth, known = _of_classes(truth, known, wanted)
        if truth.ndim == 1:
            kept = np.flatnonzero(truth >= 0)
            dataset, truth, together = dataset.select(kept), truth[kept], together[kept]
            contents = [contents[i] for i in kept]
    outputs = outputs_of(known, labels, names, data.labels)
    logits = predictor.logits(
        dataset,
        precision=_precision(opened, wish),
        batch_size=wish.batch_size,
        flip=wish.flip,
        on_batch=on_batch,
    )
    placed = model_targets(truth, outputs, len(labels))
    if wanted is not None:
        logits, labels = logits[:, outputs], LabelSpace(tuple(labels.names[i] for i in outputs))
        placed = truth if truth.ndim == 1 else placed[:, outputs]
    scored = Scored(split, predictor.task.name, labels, dataset["path"], logits, placed, together)
    return _Measured(scored, dataset, contents)


def _illustrate(folder: ResultFolder, opened: Opened, measured: list[_Measured]) -> None:
    """Pictures for the report. Several models together look at no one place, so they get no overlays."""
    images = {each.scored.split: DecodedImages(each.dataset, 0).__getitem__ for each in measured}
    predictor = opened.predictor
    loaded = None if opened.folds else predictor.inside
    write_gallery(folder, predictor.task.name, images, loaded)


def _wanted(wish: Wish, labels: LabelSpace) -> list[int] | None:
    """The ids of the classes that are asked for."""
    return None if wish.classes is None else sorted({labels.id(name) for name in wish.classes})


def _of_classes(truth: np.ndarray, labels: LabelSpace, wanted: list[int]) -> tuple[np.ndarray, LabelSpace]:
    """Targets and names of some classes; an image of another class has the target -1."""
    names = LabelSpace(tuple(labels.names[i] for i in wanted))
    if truth.ndim == 2:
        return truth[:, wanted], names
    place = np.full(len(labels) + 1, -1, dtype=np.int64)  # the last one is that of -1
    place[wanted] = np.arange(len(wanted))
    return place[truth], names


def _refuse_in_vain(opened: Opened, wish: Wish) -> None:
    """What would be refused after all images were scored, or do nothing."""
    out = None if wish.out is None else Path(wish.out).expanduser()
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(f"{out}: exists already; choose another with --out")
    if wish.threshold is not None and opened.predictor.task.name == MULTICLASS:
        raise DataError(
            f"{opened.name}: of one label an image the most probable is predicted, so a threshold does nothing; leave "
            "out --threshold, or let --tune-thresholds find out below which probability the model should abstain"
        )


def _precision(opened: Opened, wish: Wish) -> Precision:
    if wish.precision is not None or opened.run is None:
        return wish.precision or "fp32"
    precision: Precision = opened.run.read_recipe().evaluate.precision
    return precision


def _judge(opened: Opened, wish: Wish, splits: list[Scored]) -> Judge:
    """The model's own decision on the classes that are measured, unless a threshold is given."""
    predictor = opened.predictor
    decision = _on(predictor.decision, predictor.labels, splits[0].labels)
    if opened.folds:
        decision = dataclasses.replace(decision, temperature=None)  # each fold's is in its probabilities
    threshold = wish.threshold
    if threshold is None and wish.config is not None:
        threshold = wish.config.threshold
    tuned = _tuned_before(opened, wish, splits)
    if threshold is not None:
        decision = dataclasses.replace(decision, thresholds=None)
        tuned = tuned and dataclasses.replace(tuned, thresholds=None)
    return Judge(decision, predictor.threshold if threshold is None else threshold, _top_k(opened, wish), tuned)


def _top_k(opened: Opened, wish: Wish) -> int:
    if wish.top_k is not None or opened.run is None:
        return wish.top_k or DEFAULT_TOP_K
    return opened.run.read_recipe().evaluate.top_k


def _tuned_before(opened: Opened, wish: Wish, splits: list[Scored]) -> Tuned | None:
    """What tuned the model's decision, where those very images are measured again: they must not judge themselves."""
    decision, whole = opened.predictor.decision, wish.data is None and wish.classes is None
    own = [scored for scored in splits if scored.split == "validation"]
    if opened.run is None or opened.folds or not whole or not own or not decision.says_something:
        return None
    thresholds = decision.thresholds is not None or decision.abstain_below is not None
    return tune(own[0], Decision(), thresholds=thresholds, calibrate=decision.temperature is not None)


def _on(decision: Decision, own: LabelSpace, labels: LabelSpace) -> Decision:
    """The decision for some of the model's classes."""
    ids = [own.id(name) for name in labels.names]

    def some(numbers: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return numbers if numbers is None or len(numbers) != len(own) else tuple(numbers[i] for i in ids)

    return dataclasses.replace(decision, temperature=some(decision.temperature), thresholds=some(decision.thresholds))


# ---------------------------------------------------------------- tuning


def _tune(
    opened: Opened, thresholds: bool, calibrate: bool, notes: list[str], on_batch: Callable[[int], None] | None
) -> RunFolder:
    """Tune the model on its run's validation split, and write the run's own files anew."""
    run = opened.run
    if run is None or opened.folds:
        raise RunFolderError(
            f"{opened.name}: thresholds and temperatures are tuned on the validation split of a run, and this is none; "
            "name a run folder" + (", such as one of its folds" if opened.folds else "")
        )
    data = load_splits(run.read_recipe_from_anywhere())
    if "validation" not in data.datasets:
        raise DataError(f"{opened.name}: has no validation split, so there are no images to tune on")
    if data.source["fingerprint"] != run.read_record().get("data", {}).get("fingerprint"):
        raise DataError(
            f"{opened.name}: its images or labels are not what they were when it was trained, so images that it "
            "learned from might tune it; restore them, or train again"
        )
    held_out = [name for name in data.datasets if name != "train"]
    measured = [_measured(opened, (name, data), Wish(), on_batch) for name in held_out]
    splits = [each.scored for each in measured]
    predictor, evaluate_ = opened.predictor, run.read_recipe().evaluate
    validation = splits[held_out.index("validation")]
    found: Tuned = tune(validation, predictor.decision, thresholds=thresholds, calibrate=calibrate)
    write_decision(run.model, found.decision, predictor.labels, {"split": "validation", "images": len(validation)})
    predictor.decision = found.decision
    write_outcome(run, Judge(found.decision, predictor.threshold, evaluate_.top_k, found), splits)
    _illustrate(run, opened, measured)
    if targets := sorted(folder.name for folder in run.exports.glob("[!.]*")):
        again = " and ".join(f"--to {target}" for target in targets)
        notes.append(
            f"{run}: its exports were made before it was tuned; write them again by deit-finetune export {run} {again}"
        )
    return run


# ---------------------------------------------------------------- where it goes


def _folder(opened: Opened, wish: Wish) -> ResultFolder:
    """A new folder."""
    if wish.out is not None:
        out = Path(wish.out).expanduser()
        out.mkdir(parents=True, exist_ok=True)
        return ResultFolder(out)
    root = Path("evaluations") if opened.run is None else RunFolder(opened.run.path).evaluations
    name = wish.name or _name(wish.data)
    if opened.run is None and wish.name is None:
        name = f"{_plain(opened.name)}-{name}"
    return ResultFolder(make_folder(root, name))


def _name(data: str | Path | None) -> str:
    """A folder's name for the data.

    >>> _name(None), _name("bundled:digits"), _name("photos/new/"), _name("recipes/pets.yaml")
    ('held-out', 'digits', 'new', 'pets')
    """
    if data is None:
        return OWN
    text = str(data).removeprefix("bundled:")
    path = Path(text)
    return _plain(path.stem if path.suffix else path.absolute().name)


def _plain(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text.strip("/").rpartition("/")[2]).strip("-.") or "data"
