"""AdamW (Loshchilov & Hutter 2019), by torch's fused kernel: one pass over weights and moments.

``torch.optim`` imports torch's compiler at the first step, which takes two CPU seconds in each
training process.
"""

from collections.abc import Iterable

import torch

BETAS, EPSILON = (0.9, 0.999), 1e-8
Moments = dict[int, dict[str, torch.Tensor]]


class AdamW:
    """``moments``: of each weight by its place, made at its first step: ``step``, ``exp_avg`` and
    ``exp_avg_sq``."""

    def __init__(self, weights: Iterable[torch.Tensor], weight_decay: float) -> None:
        self.weights = list(weights)
        self.weight_decay = weight_decay
        self.moments: Moments = {}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the weights that have a gradient."""
        gradients = {
            place: weight.grad
            for place, weight in enumerate(self.weights)
            if weight.grad is not None
        }
        if not gradients:
            return
        for place in gradients:
            if place not in self.moments:
                self.moments[place] = _zeros(self.weights[place])
        first, second, steps = (
            [self.moments[place][name] for place in gradients]
            for name in ("exp_avg", "exp_avg_sq", "step")
        )
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            [self.weights[place] for place in gradients],
            list(gradients.values()),
            first,
            second,
            [],  # of AMSGrad
            steps,
            amsgrad=False,
            lr=learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )


def _zeros(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    step = torch.zeros((), dtype=torch.float32, device=weight.device)
    return {
        "step": step,
        "exp_avg": torch.zeros_like(weight),
        "exp_avg_sq": torch.zeros_like(weight),
    }
