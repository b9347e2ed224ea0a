"""How good a model is and how far that can be trusted: intervals, thresholds, calibration, labels, comparisons.

Nothing here trains or knows a trainer, and only `finetune.evaluation.evaluate` loads a model: the rest has scores.
"""

from finetune.evaluation.outcome import Judge, label_errors, write_outcome
from finetune.evaluation.scored import Scored
from finetune.evaluation.tuning import Tuned, tune

__all__ = ["Judge", "Scored", "Tuned", "label_errors", "tune", "write_outcome"]
