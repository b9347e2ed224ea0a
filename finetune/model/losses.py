"""What training minimises: a number for each image (multiclass) or for each cell (multilabel), of logits and targets.

Targets are shares in [0, 1] and not ids, so blended images and smoothed labels need no formula of their own. Nothing
is summed over images here. Logits are float32; every finite one gives a finite loss and a finite gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812

MulticlassLoss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
"""logits (N, C), the share of each class (N, C), label smoothing -> (N,)."""

MultilabelLoss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""logits (N, C), how much it counts that a label is present (N, C), how much that it is absent (N, C) -> (N, C).
An unknown cell counts 0 as either."""


def smooth(targets: torch.Tensor, share: float, outcomes: int) -> torch.Tensor:
    """Targets of which a share is spread evenly over all outcomes.

    Source: label smoothing, Szegedy et al., "Rethinking the Inception Architecture", 2016, section 7.
    """
    return targets * (1.0 - share) + share / outcomes


# ---------------------------------------------------------------- one label an image


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Softmax and cross-entropy."""
    return F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)


def each_class_alone(logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Binary cross-entropy of every class by itself, averaged over the classes.

    All classes in a blend of images are present, whatever their shares. Smoothing spreads over the classes as it does
    under a softmax, so yes becomes 1 - s + s/C and no becomes s/C.

    Source: Touvron et al., "DeiT III: Revenge of the ViT", 2022; ``targets.gt(0.0)`` in its code.
    """
    present = smooth((targets > 0).to(logits.dtype), smoothing, logits.shape[1])
    return binary_cross_entropy(logits, present, 1.0 - present).mean(dim=1)


def focal(logits: torch.Tensor, targets: torch.Tensor, smoothing: float, gamma: float) -> torch.Tensor:
    """Cross-entropy of which each term counts by (1 - p)^gamma; gamma 0 is cross-entropy.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017, equation 4, with a softmax for p.
    """
    logs = F.log_softmax(logits, dim=1)
    unsure = _power(-torch.expm1(logs), gamma)
    return -(smooth(targets, smoothing, logits.shape[1]) * unsure * logs).sum(dim=1)


# ---------------------------------------------------------------- any number of labels an image


def binary_cross_entropy(logits: torch.Tensor, present: torch.Tensor, absent: torch.Tensor) -> torch.Tensor:
    """Sigmoid and cross-entropy, of either outcome as much as it counts."""
    return -(present * F.logsigmoid(logits) + absent * F.logsigmoid(-logits))


def binary_focal(logits: torch.Tensor, present: torch.Tensor, absent: torch.Tensor, gamma: float) -> torch.Tensor:
    """Focal loss of sigmoids; gamma 0 is binary cross-entropy.

    Source: Lin et al., 2017, equation 4. In place of its alpha stands ``loss.pos_weight``.
    """
    return asymmetric(logits, present, absent, (gamma, gamma), margin=0.0)


def asymmetric(
    logits: torch.Tensor, present: torch.Tensor, absent: torch.Tensor, gammas: tuple[float, float], margin: float
) -> torch.Tensor:
    """Asymmetric loss: a present label's cross-entropy counts by (1 - p)^gammas[0], an absent one's by q^gammas[1], and
    is that of q = max(p - margin, 0) instead of p.

    Source: Ridnik et al., "Asymmetric Loss for Multi-Label Classification", 2021, section 2. The gradient is the
        formula's own; the published code by default holds the two factors for constants.
    """
    # log(1 - q) from logarithms: 1 - sigmoid is 0 in float32 from a logit of 17 on
    floor = torch.full_like(logits, math.log(margin) if margin > 0 else -math.inf)
    log_absent = torch.logaddexp(F.logsigmoid(-logits), floor).clamp(max=0.0)
    yes = present * _power(torch.sigmoid(-logits), gammas[0]) * F.logsigmoid(logits)
    no = absent * _power(torch.sigmoid(logits) - margin, gammas[1]) * log_absent
    return -(yes + no)


def _power(base: torch.Tensor, exponent: float) -> torch.Tensor:
    """A power whose gradient is finite at 0 for exponents below 1 too."""
    return base.clamp(min=torch.finfo(base.dtype).tiny).pow(exponent)
