"""A shopper's taste as the sum of the vectors of what was bought, for families whose vectors were
learned from what is near what."""

import numpy as np
import torch
from torch.nn.functional import normalize

from training.data import Histories

RARE = 1e-7  # share added to all, so that what nobody bought has a logarithm


def taste(batch: Histories, half_life_days: float, vectors_ID: torch.Tensor) -> torch.Tensor:
    """vectors_BD: each item counts log(1 + its decayed events), as in matrix_factorization."""
    bought = batch.matrix(batch.weights_N * 0.5 ** (batch.ages_N / half_life_days))
    np.log1p(bought.data, out=bought.data)
    return torch.from_numpy(bought @ vectors_ID.numpy())


def even_taste(batch: Histories, half_life_days: float, vectors_ID: torch.Tensor) -> torch.Tensor:
    """vectors_BD of the same length for all: each item counts its decayed events.

    The length is such that the products with decorrelated vectors vary by about 1 over items,
    however much was bought: a weight beside them then means the same in all data.
    """
    bought = batch.matrix(batch.weights_N * 0.5 ** (batch.ages_N / half_life_days))
    directions_BD = normalize(torch.from_numpy(bought @ vectors_ID.numpy()))
    return directions_BD * vectors_ID.shape[1] ** 0.5


def log_share(popularity_I: torch.Tensor) -> torch.Tensor:
    """The logarithm of each item's share, finite, as one column."""
    return torch.log(popularity_I + RARE)[:, None]


def decorrelated(
    vectors_ID: torch.Tensor, popularity_I: torch.Tensor, power: float, ridge: float = 0.1
) -> torch.Tensor:
    """The vectors of length 1, turned and stretched so that no direction is shared by most buyers.

    With power 1 the second moment over what is bought becomes even in all directions; the products
    then tell an item from its kind, which raises what was bought before. Vectors of 0 stay 0.
    """
    unit_ID = normalize(vectors_ID.double())
    moment_DD = (unit_ID * popularity_I[:, None]).T @ unit_ID
    strength_D, directions_DD = torch.linalg.eigh(moment_DD)
    strength_D = strength_D / strength_D.mean() + ridge
    turned_ID = unit_ID @ directions_DD * strength_D ** (-power / 2)
    return turned_ID.float()
