"""A family's share of a round at a node, and the family that the shared arrays make."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from penchant.errors import UsageError
from training.data.histories import Histories
from training.federated.item_factors import ItemFactors
from training.federated.private_factors import PrivateItemFactors
from training.federated.sequences import Sequences
from training.fitting.family import Ranker
from training.privacy.accounting import Guarantee

Arrays = list[npt.NDArray[np.float32]]


class LocalTraining(Protocol):
    """What is shared describes items, never a user."""

    def initial(self, item_count: int, seed: int) -> Arrays:
        """The arrays before the first round."""

    def trained(self, arrays: Arrays, histories: Histories, seed: int) -> Arrays:
        """The arrays after a round's steps on one node's histories."""

    def weight(self, histories: Histories) -> int:
        """Of a node's arrays in the mean over nodes: at most 10,000."""

    def family(self, arrays: Arrays, histories: Histories) -> Ranker:
        """The fitted family, which has observed ``histories``."""


FAMILIES: dict[str, Callable[[], LocalTraining]] = {
    "matrix_factorization": ItemFactors,
    "gru": Sequences,
}
PRIVATE: dict[str, Callable[[Guarantee, int], PrivateItemFactors]] = {
    "matrix_factorization": PrivateItemFactors
}


def local_training(family: str) -> LocalTraining:
    """Raises UsageError for a family that can't be trained in a federation."""
    if family not in FAMILIES:
        raise UsageError(
            f"{family} can't be trained in a federation", f"use {' or '.join(FAMILIES)}"
        )
    return FAMILIES[family]()


def private_training(family: str, guarantee: Guarantee, nodes: int = 1) -> PrivateItemFactors:
    """``nodes``: how many the arrays are means of. Raises UsageError for a family that can't be
    trained in a federation under differential privacy."""
    if family not in PRIVATE:
        raise UsageError(
            f"PENCHANT_DP_EPSILON={guarantee.epsilon:g}: {family} can't be trained in a federation "
            "under differential privacy",
            f"use {' or '.join(PRIVATE)}, or unset PENCHANT_DP_EPSILON",
        )
    return PRIVATE[family](guarantee, nodes)
