"""Muon: the weight matrices of a model move by orthogonalised momentum, everything else by AdamW.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); the size of a step as in Liu et
al., "Muon is Scalable for LLM Training" (2025), so that AdamW's rates and decays serve here too. ``torch.optim.Muon``
takes matrices only and multiplies in bf16, which CPUs without bf16 emulate at a tenth of the speed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

import torch
from torch import nn

_ROUNDS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the published quintic: steepest at 0, singular values end in 0.7 to 1.2
_ADAMS_SIZE = 0.2  # root mean square of AdamW's steps, in learning rates


class Muon(torch.optim.AdamW):
    """AdamW, but for groups that say ``orthogonal: True``, whose parameters must be matrices.

    Args:
        params: Groups of parameters.
        lr: Learning rate, of AdamW's size.
        momentum: Of the matrices.
        betas, eps: Of everything else.
        weight_decay: Decoupled, as AdamW's.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        self.momentum = momentum

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters that have a gradient."""
        every = self.param_groups
        self.param_groups = [group for group in every if not group.get("orthogonal")]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = every
        for group in every:
            if group.get("orthogonal"):
                self._move_matrices(group)
        return loss

    @torch.no_grad()
    def _move_matrices(self, group: dict[str, Any]) -> None:
        """Matrices of one shape are orthogonalised together."""
        alike: defaultdict[tuple[int, ...], list[torch.Tensor]] = defaultdict(list)
        for parameter in group["params"]:
            if parameter.grad is not None:
                alike[tuple(parameter.shape)].append(parameter)
        for shape, matrices in alike.items():
            wanted = [self._direction(matrix, cast(torch.Tensor, matrix.grad)) for matrix in matrices]
            directions = orthogonalised(torch.stack(wanted))
            size = group["lr"] * _ADAMS_SIZE * max(shape) ** 0.5
            for matrix, direction in zip(matrices, directions, strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(direction.to(matrix.dtype), alpha=-size)

    def _direction(self, matrix: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Nesterov's momentum, a running average of the gradients."""
        state = self.state[matrix]
        if not state:
            state["step"] = torch.tensor(0.0)  # AdamW expects one in every state that it loads
            state["exp_avg"] = torch.zeros_like(matrix)
        state["step"] += 1
        state["exp_avg"].lerp_(gradient, 1 - self.momentum)
        direction: torch.Tensor = gradient.lerp(state["exp_avg"], self.momentum)
        return direction


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices with the same singular vectors and singular values near 1, by Newton's and Schulz's iteration.

    Args:
        matrices: (n, rows, columns).
    Returns:
        The same shape, in fp32 on a CPU and in bf16 elsewhere.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    turned: torch.Tensor = (matrices.mT if tall else matrices).to(
        torch.float32 if matrices.device.type == "cpu" else torch.bfloat16
    )
    turned = turned / (turned.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ROUNDS):
        square = turned @ turned.mT
        turned = a * turned + (b * square + c * square @ square) @ turned
    return turned.mT if tall else turned


def matrix_names(model: nn.Module, heads: Collection[str]) -> set[str]:
    """Names of the weights that Muon orthogonalises: those of all linear layers but the heads."""
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    return linear - set(heads)
