"""Learning by gradient from users of whom none changes the gradient by more than a bound (DP-SGD).

Each step samples users independently (Poisson), computes the gradient of each one's own loss,
scales it down to the bound, adds them up and adds noise (Abadi et al. 2016; by user as in McMahan
et al. 2018). The noisy sum takes the place of the gradient of Adam, which doesn't need its scale,
so that the number of users isn't disclosed. Nothing is validated or stopped early.

Opacus isn't used: it clips by example of a batch and by layer type; here an example is a user with
several positions, and the tables of embeddings are plain parameters. So gradients come from
``vmap``, a few users at a time: memory is that of ``USERS_AT_ONCE`` copies of the parameters,
however large the batch.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from penchant.artifacts import Mechanism
from training.data.histories import IntArray
from training.privacy.contributions import BOUND, bounded
from training.privacy.noise import Noise

USERS_AT_ONCE = 32

Example = tuple[torch.Tensor, ...]
"""Tensors with a first axis of users."""


def fit_privately(
    model: nn.Module,
    examples: Callable[[IntArray], Example],
    users: int,
    mechanism: Mechanism,
    learning_rate: float,
    noise: Noise,
    after_step: Callable[[int], None],
) -> None:
    """Train a model in place for the steps of a mechanism; its forward pass is one user's loss.

    ``examples``: of these rows of users, which depend on nobody else. ``after_step``: called with
    the number of each step; it raises when over the budget of time.
    """
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    model.train()
    for step in range(1, mechanism.steps + 1):
        sampled = np.flatnonzero(noise.uniform(users) < mechanism.sample_rate)
        noisy = noisy_gradient(model, examples(sampled), len(sampled), mechanism, noise)
        for name, parameter in model.named_parameters():
            parameter.grad = noisy[name]
        optimizer.step()
        after_step(step)
    model.eval()


def noisy_gradient(
    model: nn.Module, example: Example, users: int, mechanism: Mechanism, noise: Noise
) -> dict[str, torch.Tensor]:
    """The sum of the users' bounded gradients, with noise, for each parameter by name."""
    weights = {name: each.detach() for name, each in model.named_parameters()}

    def loss(weights: dict[str, torch.Tensor], *one: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = functional_call(model, weights, one)
        return found

    of_each = vmap(grad(loss), in_dims=(None, *(0 for _ in example)))
    total = {name: torch.zeros_like(each) for name, each in weights.items()}
    for first in range(0, users, USERS_AT_ONCE):
        part = tuple(each[first : first + USERS_AT_ONCE] for each in example)
        gradients = of_each(weights, *part)
        squares_B = torch.stack([each.flatten(1).square().sum(1) for each in gradients.values()])
        norms_B = squares_B.double().sum(0).sqrt().numpy()
        scale_B = torch.from_numpy(bounded(norms_B)).float()
        for name, each in gradients.items():
            total[name] += torch.tensordot(scale_B, each, dims=1)
    deviation = mechanism.noise_multiplier * BOUND
    return {
        name: each + torch.from_numpy(noise.gaussian(tuple(each.shape), deviation)).float()
        for name, each in total.items()
    }
