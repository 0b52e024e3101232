"""The interface of a model family.

A family is one file, ``training/families/<name>.py``, and one line in ``training/names.py``. The
file defines ``Config``, a frozen dataclass whose defaults are the main job's, and ``Model``, which
makes an unfitted ``Family`` from a config. ``capabilities.py`` declares what else it can do.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch

from training.data.histories import Histories
from training.data.split import Split
from training.evaluation.metrics.full_ranking import Scorer
from training.fitting.context import TrainingContext

State = dict[str, torch.Tensor]


class Family(ABC):
    """A model that learns from users' histories.

    It has no parameters for single users, so it can predict for a new history without training.

    ``fit`` is called once, with the events before T1. ``observe`` is called whenever time moves on:
    learned weights stay as fitted, so that the model that serves is the model that was evaluated,
    while counts and indexes of the data are brought up to date. Histories that a family predicts
    from end no later than those that it observed last.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.tuned: dict[str, float] = {}
        """What ``fit`` selected on the validation window, for the run record."""

    @abstractmethod
    def fit(self, split: Split, context: TrainingContext) -> None:
        """Learn from ``split.train`` and tune on ``context.window``, never on ``split.test``."""

    def observe(self, histories: Histories) -> None:  # noqa: B027
        """Update counts and indexes with all events before ``histories.end``; learn nothing.

        Does nothing by default.
        """

    @abstractmethod
    def state(self) -> State:
        """All that predictions need beside the config, as tensors on the CPU."""

    @abstractmethod
    def load_state(self, state: State) -> None:
        """Restore a state: predictions then equal those of the family that it came from."""


class Ranker(Family):
    """A family that ranks items for a user."""

    @abstractmethod
    def scores(self, batch: Histories) -> torch.Tensor:
        """scores_BI of every item for users with these histories, some empty; all finite."""

    def scorer(self) -> Scorer:
        """``scores``, for many batches: valid until the family learns or observes."""
        return self.scores


class VectorFamily(Ranker):
    """A ranker whose score is a dot product, so that the nearest vectors are the best items."""

    @abstractmethod
    def user_vectors(self, batch: Histories) -> torch.Tensor:
        """vectors_BD of users with these histories."""

    @abstractmethod
    def item_vectors(self) -> torch.Tensor:
        """vectors_ID of the catalogue."""

    @abstractmethod
    def learned_items(self) -> torch.Tensor:
        """learned_I: the items with a direction of their own.

        The others are too rare to learn from and differ in popularity alone. Their vectors complete
        the dot product but all point one way, so they are not published.
        """

    def scores(self, batch: Histories) -> torch.Tensor:
        return self.scorer()(batch)

    def scorer(self) -> Scorer:
        """Computes the vectors of items once."""
        vectors_DI = self.item_vectors().T
        return lambda batch: self.user_vectors(batch) @ vectors_DI


def scorer_of_rows(
    user_vectors: Callable[[Histories], torch.Tensor],
    rows_RD: torch.Tensor,
    row_I: torch.Tensor,
    offset_I: torch.Tensor,
) -> Scorer:
    """A scorer of items that share vectors: each product is computed once.

    ``user_vectors``: as of a ``VectorFamily``, with one element behind those of ``rows_RD``.
    ``offset_I``: what it is multiplied by.
    """

    def score(batch: Histories) -> torch.Tensor:
        vectors_BD = user_vectors(batch)
        scores_BR = vectors_BD[:, :-1] @ rows_RD.T
        return scores_BR.index_select(1, row_I).add_(vectors_BD[:, -1:] * offset_I)

    return score
