"""A family's share of a round at a node, and the family that the shared arrays make."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from penchant.errors import UsageError
from training.data.histories import Histories
from training.federated.item_factors import ItemFactors
from training.federated.sequences import Sequences
from training.fitting.family import Ranker

Arrays = list[npt.NDArray[np.float32]]


class LocalTraining(Protocol):
    """What is shared describes items, never a user."""

    def initial(self, item_count: int, seed: int) -> Arrays:
        """The arrays before the first round."""

    def trained(self, arrays: Arrays, histories: Histories, seed: int) -> Arrays:
        """The arrays after a round's steps on one node's histories."""

    def family(self, arrays: Arrays, histories: Histories) -> Ranker:
        """The fitted family, which has observed ``histories``."""


FAMILIES: dict[str, Callable[[], LocalTraining]] = {
    "matrix_factorization": ItemFactors,
    "gru": Sequences,
}


def local_training(family: str) -> LocalTraining:
    """Raises UsageError for a family that can't be trained in a federation."""
    if family not in FAMILIES:
        raise UsageError(
            f"{family} can't be trained in a federation", f"use {' or '.join(FAMILIES)}"
        )
    return FAMILIES[family]()
