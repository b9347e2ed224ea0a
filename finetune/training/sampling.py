"""``data.sampling: balanced``: the chance of each training image to be drawn."""

from __future__ import annotations

import numpy as np


def balanced_chances(truth: np.ndarray) -> np.ndarray:
    """(images,) chances that even out how often classes come; only their ratios count.

    multiclass: 1 / n, n the training images of its class, so that all classes come equally often. multilabel: the mean
    of 1 / n over its labels; classes come more equally, as far as labels that occur together allow. An image without
    a label has nothing to add and gets the smallest of these chances. Labels that nobody knows are left out.

    Args:
        truth: (images,) class ids, or (images, classes) with 1 present, 0 absent, -1 unknown.

    >>> (1 / balanced_chances(np.array([0, 0, 0, 1]))).tolist()
    [3.0, 3.0, 3.0, 1.0]
    >>> (1 / balanced_chances(np.array([[1, 0], [1, 1], [0, 0]]))).round(3).tolist()
    [2.0, 1.333, 2.0]
    """
    if truth.ndim == 1:
        return np.asarray(1.0 / np.bincount(truth)[truth])
    present = truth == 1
    rarity = 1.0 / np.maximum(present.sum(axis=0), 1)
    labels = present.sum(axis=1)
    if not labels.any():
        return np.ones(len(truth))
    chances = present @ rarity / np.maximum(labels, 1)
    return np.asarray(np.where(labels > 0, chances, chances[labels > 0].min()))
