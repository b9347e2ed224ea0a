"""Average precision and AUROC: how well scores rank the images of a class before the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, roc_curve

from finetune.metrics.classes import mean


def rank_scores(positive: NDArray[np.bool_], scores: NDArray[Any]) -> tuple[float | None, float | None]:
    """Average precision and area under the ROC curve of one ranking.

    scikit-learn's `roc_curve` sorts once for both; its `average_precision_score` and `roc_auc_score` give the same
    numbers in three times the time, which counts where there are a thousand classes.

    Args:
        positive: (images,), whether the class is present.
        scores: (images,), finite; only their order counts.
    Returns:
        Stepwise average precision, sum of (R_k - R_k-1) * P_k over the distinct scores: None where nothing is
        positive, 1 where everything is. AUROC, the probability that a positive ranks above a negative, ties counting
        half: None unless there are both.

    Positives at ranks 1, 2 and 4 of 4: (1/1 + 2/2 + 3/4) / 3, and two of three pairs in order.

    >>> rank_scores(np.array([True, False, True, True]), np.array([4.0, 2.0, 1.0, 3.0]))
    (0.9166666666666666, 0.6666666666666666)
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives:
        return None, None
    if not negatives:
        return 1.0, None
    false_rate, true_rate, _ = roc_curve(positive, scores, drop_intermediate=False)
    true, false = np.rint(true_rate * positives), np.rint(false_rate * negatives)
    precision = true[1:] / (true[1:] + false[1:])
    return float((np.diff(true) * precision).sum() / positives), float(auc(false_rate, true_rate))


def ranking_means(
    average_precision: Sequence[float | None], auroc: Sequence[float | None], support: Sequence[int]
) -> dict[str, float | None]:
    """Means over the classes that have a value, plain and weighted by their positives."""
    return {
        "mAP": mean(average_precision),
        "mAP_weighted": mean(average_precision, support),
        "auroc_macro": mean(auroc),
        "auroc_weighted": mean(auroc, support),
    }
