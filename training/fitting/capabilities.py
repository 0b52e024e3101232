"""What a family can do beside ranking: one protocol for each task that evaluates it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
import torch

from penchant.artifacts import Mechanism, RankingModelRecord
from penchant.bandits.context_features import ContextFeatures
from penchant.bandits.slates import ActionScores
from training.data.histories import Dataset, Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.exported_encoder import Encoder
from training.fitting.family import Family, Ranker, VectorFamily


@runtime_checkable
class Encodes(Protocol):
    """A family with vectors that exports its encoder, for fold-in outside this package."""

    def exported(self) -> Encoder:
        """The encoder that computes the vectors of ``user_vectors``."""


@runtime_checkable
class HasPrior(Protocol):
    """A family with scores for unknown users."""

    def prior(self) -> torch.Tensor:
        """scores_I, finite."""


@runtime_checkable
class ClassifiesInterests(Protocol):
    """A family that predicts which interests a user acts on next (data/interest_labels.py)."""

    def interests(self, batch: Histories) -> torch.Tensor:
        """probability_BC that each interest is acted on in the window that begins at
        ``batch.end``; interests are in the order of those that the family was fitted on."""


@runtime_checkable
class PredictsResponse(Protocol):
    """A family that predicts the response to an ad: the "probability" of an answer, or the "money"
    that the ad adds to spending."""

    response: str

    def responses(self, shown: pa.Table) -> torch.Tensor:
        """response_N of each row of a training set like ``ad_responses``."""


@runtime_checkable
class ChoosesActions(Protocol):
    """A family that selects actions among candidates, with known propensities."""

    def action_scores(self, context: ContextFeatures, random: np.random.Generator) -> ActionScores:
        """Of the candidates of each request; see penchant/bandits/slates.py."""

    def expected_clicks(self, context: ContextFeatures) -> npt.NDArray[np.float64]:
        """clicks_BC that each candidate is expected to get at its position."""


@runtime_checkable
class ProposesTags(Protocol):
    """A family that proposes tags for items without (evaluation/tags.py)."""

    def tag_words(self, items: pa.Table, hidden: bool) -> sp.csr_matrix:
        """words_IW, in which items with similar words are neighbours; ``hidden``: without the
        names of an item's own categories."""


@runtime_checkable
class Generates(Protocol):
    """A family that generates synthetic histories.

    ``rejected``: how many more the last ``generate`` drew and left out as copies of a real one.
    """

    rejected: int

    def fit_generator(self, split: Split, context: TrainingContext) -> None:
        """The part of ``fit`` that ``generate`` needs."""

    def generate(self, count: int, seed: int) -> Histories:
        """Synthetic histories of ``count`` users, before the end of the training data; their user
        rows are -1. Raises DataError where only copies of real histories can be generated."""


@runtime_checkable
class LearnsFromValidation(Protocol):
    """A family that learned from users of the validation window; it is evaluated on the others.

    ``learned_from_U``: their rows in the data, set by ``fit``.
    """

    learned_from_U: IntArray


@runtime_checkable
class RanksCandidates(Protocol):
    """A family that ranks the candidates of sources by the feature service ``ranking``, so that
    serving can rank them by the features of the moment."""

    def ranking_model(self, folder: Path, run_id: str, snapshot_id: str) -> RankingModelRecord:
        """The record of the model, whose file it writes to a folder."""

    def candidate_lists(self, histories: Histories, dataset: Dataset, of_all: bool) -> pa.Table:
        """The lists of all sources for users of ``dataset`` at the end of the data; ``of_all``:
        also those that are the same for all users. See ``RankingModelRecord.lists_path``."""


@runtime_checkable
class LearnsPrivately(Protocol):
    """A family that learns under differential privacy where its config has a ``privacy``.

    It then learns once, from the events before T1: it tunes nothing on the validation window, and
    ``observe`` changes nothing, since every look at the data spends.
    """

    def mechanisms(self) -> tuple[Mechanism, ...]:
        """All that ``fit`` spends, known before it reads any data."""


@runtime_checkable
class Unlearns(Protocol):
    """A family of counts or in closed form, from which users can be subtracted exactly.

    Such an entry of ``training/names.py`` says ``unlearns=True``. ``rounding``: the largest
    difference from a fit without the users that 32-bit arithmetic explains, relative to the largest
    value of an array.
    """

    rounding: float

    def unlearn(
        self, split: Split, histories: Histories, gone_B: IntArray, context: TrainingContext
    ) -> None:
        """Subtract from a loaded state what users contributed.

        It is then that of a fit and an ``observe`` without them, at the values in ``tuned``, up to
        rounding. ``split`` and ``histories``: what was learned from and what was
        observed last, with the users; ``gone_B``: their rows.
        """


@dataclass(frozen=True)
class TransferDecision:
    """Whether a target category is served by transfer.

    ``status``: adopted, or fell back to ``served``: scratch or popularity. ``gain``: in NDCG@10
    among the category's items, of transfer over the better of those two, with its confidence
    interval; None with too few users to evaluate. ``share``: of the NDCG@10 that the category is
    served with, the part due to transfer; 0 where it fell back.
    """

    category: str
    status: str
    served: str
    reason: str
    users: int = 0
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    share: float = 0.0


@runtime_checkable
class Transfers(Protocol):
    """A family that transfers what it learned on some categories to others.

    ``decisions``: one for each target category, set by ``fit``.
    """

    decisions: tuple[TransferDecision, ...]

    def learning_curve(self, split: Split, context: TrainingContext) -> list[dict[str, Any]]:
        """Figures of each method by the share of the target that it learns from, as JSON."""


def capabilities(family: Family) -> tuple[str, ...]:
    """The capabilities of a family, as the run record names them."""
    found = {
        "ranks": isinstance(family, Ranker),
        "ranks candidates": isinstance(family, RanksCandidates),
        "vectors": isinstance(family, VectorFamily),
        "encodes": isinstance(family, Encodes),
        "prior": isinstance(family, HasPrior),
        "classifies": isinstance(family, ClassifiesInterests),
        "predicts response": isinstance(family, PredictsResponse),
        "generates": isinstance(family, Generates),
        "chooses actions": isinstance(family, ChoosesActions),
        "proposes tags": isinstance(family, ProposesTags),
        "transfers": isinstance(family, Transfers),
        "unlearns": isinstance(family, Unlearns),
    }
    return tuple(name for name, has in found.items() if has)
