"""What a model family is. A new one is a file ``training/families/<name>.py`` and its name in
names.py.

The file has two public things: ``Config``, a frozen dataclass whose defaults are the reference run
on the main job, and ``Model``, a subclass of ``Family`` or ``VectorFamily`` built from it.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
import torch

from penchant.bandits.context_features import Asked
from penchant.bandits.slates import ActionScores
from penchant.errors import NothingToDo, UsageError
from training.data.histories import Histories, IntArray
from training.data.policy_log import PolicyLog
from training.data.split import Split, Window
from training.evaluation.metrics.full_ranking import Scorer, ndcg_at_10
from training.fitting.budget import Budget
from training.fitting.exported_encoder import Encoder
from training.fitting.progress import Curve, no_curve, no_steps
from training.layers.transfer.guard import Verdict
from training.names import FAMILIES

State = dict[str, torch.Tensor]


def no_policy_log() -> PolicyLog:
    """For fitting on histories alone."""
    raise NothingToDo(
        "there is no log of what was shown here",
        "fit this family by `penchant train` on a snapshot",
    )


def no_training_set(name: str) -> pa.Table:
    """For fitting on histories alone."""
    raise UsageError(
        f"there is no training set {name} here", "fit this family by `penchant train` on a snapshot"
    )


@dataclass(frozen=True)
class TrainingContext:
    """What a family works with while it fits.

    ``checkpoints``: a directory that outlives a killed process. ``window``: what to tune on, and
    ``population`` whether that is on all items or on those new to a user. ``items``: the catalogue,
    in the order of the item rows, for families that read more than who bought what. ``curve``:
    where figures to plot go, by name, step and value. ``expect``: takes how many steps a fit makes
    at most, for telling the time left. ``users``: what is known of them, in the order of the user
    rows. ``training_set``: one that Feast assembled point-in-time, by name. ``policy_log``: what
    was shown with which probability. ``members``: the
    families that have been fitted on this data already, by name; to be asked on the CPU.
    """

    window: Window
    items: pa.Table
    device: torch.device
    seed: int
    budget: Budget
    checkpoints: Path
    curve: Curve = field(default=no_curve)
    population: str = "all"
    expect: Callable[[int], None] = field(default=no_steps)
    users: pa.Table = field(default_factory=lambda: pa.table({}))
    training_set: Callable[[str], pa.Table] = field(default=no_training_set)
    policy_log: Callable[[], PolicyLog] = field(default=no_policy_log)
    members: Callable[[], dict[str, "Ranker"]] = field(default=dict)

    def validate(self, score: Scorer) -> float:
        """Mean NDCG@10 of a scorer on the validation window; raises when the budget is spent."""
        self.budget.check()
        return ndcg_at_10(score, self.window, self.population)


class Family(ABC):
    """Learns from what users did, and knows nobody by name. What for, its capabilities say:
    ``Ranker`` and ``VectorFamily`` below, and the protocols after them.

    Life: ``fit`` once, on what was known at T1; then ``observe`` whenever the clock moves on.
    Learned weights stay as they were fitted, so what serves is what was measured; counts and
    indexes, which only restate the data, move on with it. Histories that a family is asked about
    end no later than what was observed last. A family that can't be served after a while must be
    fitted again, on a new snapshot.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.tuned: dict[str, float] = {}
        """What ``fit`` chose on the validation window, for the record of the run."""

    @abstractmethod
    def fit(self, split: Split, context: TrainingContext) -> None:
        """Learn from ``split.train``, tune on ``context.window``; never look at ``split.test``."""

    def observe(self, histories: Histories) -> None:  # noqa: B027
        """Take in all events before ``histories.end`` without learning. The default: nothing."""

    @abstractmethod
    def state(self) -> State:
        """All that answers need beside the config, as tensors on the CPU."""

    @abstractmethod
    def load_state(self, state: State) -> None:
        """Take a state back: answers are then equal to those of the family that gave it."""


class Ranker(Family):
    """A family that ranks items for a user."""

    @abstractmethod
    def scores(self, batch: Histories) -> torch.Tensor:
        """scores_BI of every item for users with these histories, some empty; all finite."""


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

        The others, too rare to learn from, differ in popularity alone. Their vectors complete the
        dot product, but all point one way: nearness among them means nothing, so none is served.
        """

    def scores(self, batch: Histories) -> torch.Tensor:
        return self.user_vectors(batch) @ self.item_vectors().T


@runtime_checkable
class Encodes(Protocol):
    """A family with vectors that can leave behind how it makes one of a history."""

    def exported(self) -> Encoder:
        """What gives, outside this package, the vector that ``user_vectors`` gives."""


@runtime_checkable
class HasPrior(Protocol):
    """A family that can say what a user of whom nothing is known would like."""

    def prior(self) -> torch.Tensor:
        """scores_I, finite."""


@runtime_checkable
class ClassifiesInterests(Protocol):
    """A family that says which interests a user will act on next (see interests.py)."""

    def interests(self, batch: Histories) -> torch.Tensor:
        """probability_BC that each of C interests is acted on in the window that begins at
        ``batch.end``; the interests are in the order of those that the family was fitted on."""


@runtime_checkable
class PredictsResponse(Protocol):
    """A family that says what a user will answer to an ad: ``response`` is "probability" of an
    answer, or "money" that the ad adds to what is spent."""

    response: str

    def responses(self, shown: pa.Table) -> torch.Tensor:
        """response_N of each row of a training set like ``ad_responses``: a probability or
        money."""


@runtime_checkable
class ChoosesActions(Protocol):
    """A family that chooses what to show among candidates, and knows with what probability."""

    def votes(self, asked: Asked, random: np.random.Generator) -> ActionScores:
        """Of the candidates of each request; see penchant/bandits/slates.py."""

    def expected(self, asked: Asked) -> npt.NDArray[np.float64]:
        """clicks_BC that each candidate is expected to get where it would be shown."""


@runtime_checkable
class ProposesTags(Protocol):
    """A family that proposes tags for items that lack them (see tags.py)."""

    def tag_words(self, items: pa.Table, hidden: bool) -> sp.csr_matrix:
        """words_IW, in which items of like words are neighbours; ``hidden``: without the names of
        an item's own categories."""


@runtime_checkable
class Generates(Protocol):
    """A family that makes up histories like those it learned from.

    ``rejected``: how many more the last ``generate`` drew, and left out because they were a real
    user's.
    """

    rejected: int

    def generate(self, count: int, seed: int) -> Histories:
        """Histories of ``count`` users who do not exist, before the end of the training data;
        their rows of users are -1. Raises DataError where all that can be made up is somebody's."""


@runtime_checkable
class LearnsFromValidation(Protocol):
    """A family that learned from users of the validation window: it is judged there on others.

    ``learned_from_U``: their rows in the data, known once it is fitted.
    """

    learned_from_U: IntArray


@runtime_checkable
class Transfers(Protocol):
    """A family that moves what it learned of some categories to others."""

    def moves(self) -> tuple[Verdict, ...]:
        """What its guard said of each category that it could be moved to, by the last ``fit``."""

    def learning_curve(self, split: Split, context: TrainingContext) -> list[dict[str, Any]]:
        """What each way there is worth by the share of the target that it learns from, as JSON."""


def capabilities(family: Family) -> tuple[str, ...]:
    """What a family can do, as the run's record names it."""
    found = {
        "ranks": isinstance(family, Ranker),
        "vectors": isinstance(family, VectorFamily),
        "encodes": isinstance(family, Encodes),
        "prior": isinstance(family, HasPrior),
        "classifies": isinstance(family, ClassifiesInterests),
        "predicts response": isinstance(family, PredictsResponse),
        "generates": isinstance(family, Generates),
        "chooses actions": isinstance(family, ChoosesActions),
        "proposes tags": isinstance(family, ProposesTags),
        "transfers": isinstance(family, Transfers),
    }
    return tuple(name for name, has in found.items() if has)


def check_name(name: str) -> None:
    """Raise UsageError when no family has this name."""
    if name not in FAMILIES:
        raise UsageError(
            f"no model family is called {name!r}", f"choose one of {', '.join(FAMILIES)}"
        )


def make(name: str, config: object) -> Family:
    """A family that isn't fitted yet."""
    return _module(name).Model(config)


def make_ranker(name: str, config: object) -> Ranker:
    """A family that isn't fitted yet. Raises UsageError for one that does not rank."""
    family = make(name, config)
    if not isinstance(family, Ranker):
        raise UsageError(f"{name} does not rank items", "choose a family that does")
    return family


def default_config(name: str) -> Any:
    """The config of the family's run on the main job."""
    return _module(name).Config()


def _module(name: str) -> Any:
    check_name(name)
    return importlib.import_module(f"training.families.{name}")
