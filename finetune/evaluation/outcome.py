"""What is measured of a model on splits, and written: at the end of training, and by ``deit-finetune evaluate``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.evaluation.calibration import reliability
from finetune.evaluation.intervals import headline_intervals
from finetune.evaluation.label_errors import ASSUMED_NOISE, suspects, swapped_classes
from finetune.evaluation.scored import Scored
from finetune.evaluation.tuning import Tuned, abstaining
from finetune.metrics import score_metrics
from finetune.metrics.definitions import MULTICLASS
from finetune.model.decision import Decision
from finetune.predict import prediction_rows
from finetune.run_folder import ResultFolder


@dataclass(frozen=True)
class Judge:
    """How scores become decisions and numbers.

    Args:
        decision: What was tuned.
        threshold: Probability from which a label is predicted where no threshold was tuned (multilabel); one for all
            classes, for each, or for each image and class.
        top_k: k of top-k accuracy (multiclass).
        tuned: What tuned the decision just now. The images that did are decided by what the other folds of them give,
            so that their numbers stay honest.
    """

    decision: Decision
    threshold: float | NDArray[np.float64] = 0.5
    top_k: int = 5
    tuned: Tuned | None = None

    def thresholds(self, scored: Scored) -> float | NDArray[np.float64]:
        """multilabel: one, (classes,) or (images, classes)."""
        if self.tuned and self.tuned.split == scored.split and self.tuned.thresholds is not None:
            return self.tuned.thresholds
        return self.threshold if self.decision.thresholds is None else np.asarray(self.decision.thresholds)

    def abstain_below(self, scored: Scored) -> float | NDArray[np.float64]:
        """multiclass: one, or (images,)."""
        if self.tuned and self.tuned.split == scored.split and self.tuned.abstain_below is not None:
            return self.tuned.abstain_below
        return self.decision.abstain_below or 0.0

    def metrics(self, scored: Scored) -> dict[str, Any]:
        """All metrics of a split, ``intervals`` of the headline ones, and ``abstaining`` where the model may."""
        logits, thresholds = self.decision.calibrated(scored.logits), self.thresholds(scored)
        apart = self._cross_fitted(scored)
        if apart is not None and scored.task == MULTICLASS:  # one temperature for all classes moves no decision
            logits = apart
        found = score_metrics(
            scored.task, logits, scored.targets, scored.labels, threshold=thresholds, top_k=self.top_k
        )
        probabilities = _task(scored).probabilities(self.decision.calibrated(scored.logits))
        predicted = _task(scored).decisions(probabilities, thresholds)
        found["intervals"] = self._intervals(scored, logits, predicted, found)
        if apart is not None and scored.task != MULTICLASS:
            # A temperature for each class moves no ranking within it, and thresholds are of the whole model's.
            found["loss"] = score_metrics(scored.task, apart, scored.targets, scored.labels)["loss"]
            found["intervals"]["loss"] = self._intervals(scored, apart, predicted, found)["loss"]
        if scored.task == MULTICLASS and self.decision.abstain_below is not None and found["images"]:
            known = scored.targets >= 0
            decided = probabilities.max(axis=1) >= self.abstain_below(scored)
            right = predicted[known] == scored.targets[known]
            found["abstaining"] = {
                "abstain_below": self.decision.abstain_below,
                **abstaining(decided[known], right),
            }
        return found

    def _intervals(
        self, scored: Scored, logits: NDArray[Any], predicted: NDArray[Any], found: dict[str, Any]
    ) -> dict[str, Any]:
        return headline_intervals(scored.task, logits, scored.targets, predicted, found, scored.together)

    def _cross_fitted(self, scored: Scored) -> NDArray[np.float64] | None:
        """The logits of the images that fitted the temperature, scaled by what the others of them fitted."""
        return self.tuned.cross_fitted_logits if self.tuned and self.tuned.split == scored.split else None

    def lines(self, scored: Scored) -> Iterator[dict[str, Any]]:
        """The lines of ``predictions.jsonl``."""
        return prediction_rows(
            scored.split,
            scored.paths,
            scored.targets,
            self.decision.calibrated(scored.logits),
            scored.labels,
            _task(scored),
            self.thresholds(scored),
            self.abstain_below(scored),
            scored.together,
        )

    def reliability(self, scored: Scored) -> dict[str, Any]:
        """``before`` any temperature, and ``after``, None where there is none."""
        names = scored.labels.names
        if not np.isfinite(scored.logits).all():
            return {"before": None, "after": None}
        before = reliability(scored.task, scored.logits, scored.targets, names)
        if self.decision.temperature is None:
            return {"before": before, "after": None}
        apart = self._cross_fitted(scored)
        logits = self.decision.calibrated(scored.logits) if apart is None else apart
        return {"before": before, "after": reliability(scored.task, logits, scored.targets, names)}


def write_outcome(folder: ResultFolder, judge: Judge, splits: Sequence[Scored]) -> None:
    """Write ``metrics.json``, ``predictions.jsonl``, ``reliability.json``, ``label_errors.json`` and, where something
    was tuned, ``tuning.json``; `finetune.run_folder` says what is in them."""
    folder.write_metrics({scored.split: judge.metrics(scored) for scored in splits})
    folder.write_predictions(itertools.chain.from_iterable(judge.lines(scored) for scored in splits))
    folder.write_reliability({scored.split: judge.reliability(scored) for scored in splits})
    folder.write_label_errors(label_errors(splits))
    if judge.tuned and judge.tuned.report:
        folder.write_tuning(judge.tuned.report)


def label_errors(splits: Sequence[Scored]) -> dict[str, Any]:
    """The content of ``label_errors.json``: suspected images and classes of all splits, the most suspicious first."""
    images: list[dict[str, Any]] = []
    classes: list[dict[str, Any]] = []
    for scored in splits:
        name = scored.labels.name
        for suspect in suspects(scored.task, scored.logits, scored.targets, scored.together):
            images.append(
                {
                    "split": scored.split,
                    "path": scored.paths[suspect.image],
                    "given": [name(i) for i in suspect.given],
                    "suspected": [name(i) for i in suspect.suspected],
                    "score": suspect.score,
                }
            )
        for swapped in swapped_classes(scored.task, scored.logits, scored.targets):
            classes.append(
                {
                    "split": scored.split,
                    "given": name(swapped.given),
                    "suspected": name(swapped.suspected),
                    "images": swapped.images,
                    "of": swapped.of,
                }
            )
    images.sort(key=lambda row: -row["score"])
    return {"assumed_noise": ASSUMED_NOISE, "images": images, "classes": classes}


def _task(scored: Scored) -> Any:
    """Softmax or sigmoid."""
    from finetune.model.task import Multiclass, Multilabel

    return Multiclass() if scored.task == MULTICLASS else Multilabel()
