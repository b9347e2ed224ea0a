"""Logits to what metrics are computed from: log-probabilities, and scores that rank without false ties.

A float32 softmax or sigmoid is exactly 1.0 from a logit of about 17 on, so images that the model tells apart tie, and
ties move average precision and AUROC. Ranking therefore uses log-odds: the logits themselves under a sigmoid, and
``log(p / (1 - p))`` in float64 under a softmax. Both order as the probabilities do, and do not saturate.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BLOCK_CELLS = 1 << 20  # rows are worked through in pieces of about 8 MB, so that intermediate results stay small


def log_softmax(logits: NDArray[Any]) -> Floats:
    """Logarithm of the softmax over classes, in float64.

    Args:
        logits: (images, classes), finite.

    >>> log_softmax(np.array([[0.0, 0.0]])).round(4).tolist()
    [[-0.6931, -0.6931]]
    """
    out = logits.astype(np.float64)
    out -= out.max(axis=1, keepdims=True)
    for rows in _blocks(out):
        out[rows] -= np.log(_row_sums(np.exp(out[rows])))
    return out


def softmax_log_odds(log_probabilities: Floats) -> Floats:
    """``log(p / (1 - p))`` of softmax probabilities: orders as p does, and stays apart where p rounds to 1.

    Args:
        log_probabilities: (images, classes), from `log_softmax`.
    Returns:
        (images, classes), finite; zeros where there is a single class, which cannot rank anything.

    Two classes: the difference of the two logits.

    >>> softmax_log_odds(log_softmax(np.array([[50.0, 0.0], [60.0, 0.0]]))).tolist()
    [[50.0, -50.0], [60.0, -60.0]]
    """
    if log_probabilities.shape[1] == 1:
        return np.zeros_like(log_probabilities)
    out = log_probabilities.copy()
    for rows in _blocks(out):
        block = log_probabilities[rows]
        best = block.max(axis=1, keepdims=True)
        # 1 - p of the most probable class is the sum of the others; the subtraction would round it to 0.
        others = block.copy()
        others[np.arange(len(block)), block.argmax(axis=1)] = -np.inf
        top = others.max(axis=1, keepdims=True)
        others_sum = top + np.log(_row_sums(np.exp(others - top)))
        highest = block == best  # every class of them, where several are equal, so that they tie
        rest = np.where(highest, np.log(0.5), block)  # overwritten below; keeps log1p in its domain
        out[rows] = np.where(highest, best - others_sum, block - np.log1p(-np.exp(rest)))
    return out


def sigmoid(logits: NDArray[Any]) -> Floats:
    """Probabilities of a multi-label model, in float64, without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    decay = np.exp(-np.abs(logits.astype(np.float64)))
    return np.where(logits >= 0, 1.0, decay) / (1.0 + decay)


def _row_sums(block: Floats) -> Floats:
    """Sums of rows (images, 1), which sorts the block: the same whatever the order of a row's values.

    Images with the same logits in another order of the other classes would else be apart by a rounding, and not tie.
    """
    block.sort(axis=1)
    return cast(Floats, block.sum(axis=1, keepdims=True))


def _blocks(matrix: Floats) -> list[slice]:
    step = max(1, _BLOCK_CELLS // max(1, matrix.shape[1]))
    return [slice(start, start + step) for start in range(0, len(matrix), step)]
