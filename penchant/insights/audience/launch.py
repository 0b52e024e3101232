"""A launch plan: how many impressions of a new item to whom, so that it sells and is learned about.

Most impressions go to the users who would most likely be first buyers; a further one to the same
user counts half of the one before. The others explore: users are drawn in proportion to what their
answer would tell of the item, the leverage w x'A⁻¹x of their features in a logistic regression,
where A has the information of the impressions to the best users (the sequential design of Chaloner
and Verdinelli 1995, "Bayesian Experimental Design: A Review", drawn at random). So the chance of
each impression is known, and what is learned can be used without bias.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from penchant.artifacts import Snapshot
from penchant.artifacts.audience import AudienceRecord
from penchant.errors import NothingToDo, UnknownId, UsageError
from penchant.insights.audience.catalogue import Floats, read_catalogue
from penchant.insights.audience.profiles import (
    FEATURES,
    features_of,
    profiles_at,
    read_purchases,
)
from penchant.insights.audience.published import published_audiences
from penchant.insights.audience.stage import WINDOW, Window, new_items, window_before
from penchant.settings import Settings
from penchant.subjects import Subjects

AGAIN = 0.5  # what a further impression to the same user counts, beside the one before
BEST, EXPLORE = "best", "explore"
PRIOR_DEVIATION = 0.03
"""Of the item's own weights from those of all items, in scaled features; selected on earlier
launches of Complete Journey."""


@dataclass(frozen=True)
class LaunchBudget:
    """``price`` of an impression. ``explore``: share of the impressions that explore. ``cap``: the
    most impressions of a user."""

    budget: float
    price: float
    explore: float = 0.1
    cap: int = 3

    @property
    def impressions(self) -> int:
        return int(self.budget / self.price + 1e-9)

    def require_valid(self) -> None:
        """Raise UsageError for a budget of no impression, or shares and caps that can't be."""
        if not (self.price > 0 and np.isfinite(self.price)):
            raise UsageError(f"price: must be above 0, got {self.price:g}", "pass a price")
        if not np.isfinite(self.budget) or self.impressions < 1:
            raise UsageError(
                f"budget: {self.budget:g} buys no impression at a price of {self.price:g}",
                "pass a larger budget",
            )
        if not 0 <= self.explore <= 1:
            raise UsageError(
                f"explore: must be from 0 to 1, got {self.explore:g}", "pass a share, such as 0.2"
            )
        if self.cap < 1:
            raise UsageError(f"cap: must be at least 1, got {self.cap}", "pass 1 or more")


@dataclass(frozen=True)
class Response:
    """What is believed of an item before its launch. ``weights_D``: of the scaled features and the
    constant 1, ``features_UD``."""

    features_UD: Floats
    weights_D: Floats

    @property
    def probability_U(self) -> Floats:
        """Of being a first buyer within four weeks."""
        return np.asarray(1 / (1 + np.exp(-self.features_UD @ self.weights_D)))

    def information(self, impressions_U: Floats) -> Floats:
        """Per user: what an impression tells of the item beside these impressions."""
        weight_U = self.probability_U * (1 - self.probability_U)
        shown_UD = self.features_UD * (weight_U * impressions_U)[:, None]
        known_DD = shown_UD.T @ self.features_UD
        known_DD[np.diag_indices_from(known_DD)] += PRIOR_DEVIATION**-2
        solved_DU = np.linalg.solve(known_DD, self.features_UD.T)
        return np.asarray(weight_U * np.einsum("ud,du->u", self.features_UD, solved_DU))

    def learned(self, rows_N: np.ndarray, bought_N: np.ndarray) -> "Response":
        """After the answers of some users: the most probable weights (MAP)."""
        shown_ND, sign_N = self.features_UD[rows_N], 2.0 * bought_N - 1

        def loss(weights_D: Floats) -> tuple[float, Floats]:
            margin_N = sign_N * (shown_ND @ weights_D)
            apart_D = (weights_D - self.weights_D) / PRIOR_DEVIATION**2
            gradient_D = apart_D - shown_ND.T @ (sign_N / (1 + np.exp(margin_N)))
            distance = float(apart_D @ (weights_D - self.weights_D)) / 2
            return float(np.logaddexp(0, -margin_N).sum()) + distance, gradient_D

        found = minimize(loss, self.weights_D, jac=True, method="L-BFGS-B")
        return Response(self.features_UD, found.x)


@dataclass(frozen=True)
class LaunchPlan:
    """Of each user: impressions, whether they explore, and the chance that the plan gave them."""

    impressions_U: np.ndarray
    explores_U: np.ndarray
    chance_U: Floats


def plan_impressions(
    response: Response, budget: LaunchBudget, seed: int, informed: bool = True
) -> LaunchPlan:
    """``informed``: explore where most is learned, else at random."""
    exploring = round(budget.explore * budget.impressions)
    best_U = _best(response.probability_U, budget.impressions - exploring, budget.cap)
    free_U = best_U == 0
    told_U = response.information(best_U) if informed else np.ones(len(best_U))
    chance_U = _chances(np.where(free_U, told_U, 0.0), exploring)
    drawn_U = _drawn(chance_U, np.random.default_rng(seed))
    return LaunchPlan(best_U + drawn_U, drawn_U, np.where(free_U, chance_U, 1.0))


def plan_launch(
    settings: Settings, snapshot_id: str, item_id: str, budget: LaunchBudget, path: Path
) -> dict[str, float]:
    """Write a CSV file with the users and impressions; return what is expected of them.

    Raises UsageError for an invalid budget, UnknownId for an item that is not new, NothingToDo
    before audiences are ranked.
    """
    budget.require_valid()
    snapshot = Snapshot.checked(settings, snapshot_id)
    record = published_audiences(settings).record
    if record.snapshot_id != snapshot.id:
        raise NothingToDo(
            f"audiences are ranked on snapshot {record.snapshot_id}, not on {snapshot.id}",
            f"run `penchant rank-audiences --snapshot {snapshot.id}`",
        )
    users, response = _response(settings, snapshot, record, item_id)
    plan = plan_impressions(response, budget, settings.seed)
    shown_U = plan.impressions_U > 0
    expected_U = response.probability_U * (1 - AGAIN**plan.impressions_U) / (1 - AGAIN)
    pacsv.write_csv(
        pa.table(
            {
                "user_id": pa.array(users[shown_U].tolist(), pa.string()),
                "impressions": plan.impressions_U[shown_U],
                "purpose": np.where(plan.explores_U[shown_U], EXPLORE, BEST).tolist(),
                "propensity": plan.chance_U[shown_U],
                "probability": response.probability_U[shown_U],
            }
        ),
        path,
    )
    return {
        "users": float(shown_U.sum()),
        "impressions": float(plan.impressions_U.sum()),
        "explore": float(plan.explores_U.sum()),
        "cost": float(plan.impressions_U.sum() * budget.price),
        "expected_buyers": float(expected_U.sum()),
    }


def _response(
    settings: Settings, snapshot: Snapshot, record: AudienceRecord, item_id: str
) -> tuple[np.ndarray, Response]:
    """Profiled users, and what is believed of the item."""
    catalogue = read_catalogue(snapshot)
    purchases = read_purchases(snapshot, catalogue, settings.threads)
    items = {catalogue.item_ids[item]: item for item in new_items(purchases)}
    if item_id not in items:
        raise UnknownId(
            f"item {item_id!r} is not new in snapshot {snapshot.id}",
            "pass an item that nobody bought more than four weeks before the snapshot's end",
        )
    weights_F = np.array([record.weights[name] for name in FEATURES])
    last = window_before(purchases, catalogue, WINDOW, np.random.default_rng(settings.seed))
    now = profiles_at(purchases, catalogue, 0)
    users = np.array(purchases.user_ids, dtype=object)[now.rows_U]
    features_UF = features_of(now, catalogue, items[item_id])
    subjects = Subjects(settings)
    kept_U = np.array([not subjects.excluded(user_id) for user_id in users])
    return users[kept_U], Calibration.of(last, weights_F).response(features_UF[kept_U])


@dataclass(frozen=True)
class Calibration:
    """Turns the weights of an order into probabilities, by the launches of a window (Platt 1999).
    ``scale_F``: standard deviations of the features."""

    weights_F: Floats
    scale_F: Floats
    slope: float
    intercept: float

    @classmethod
    def of(cls, window: Window, weights_F: Floats) -> "Calibration":
        """Of all users and items that were new in the window."""
        features, bought = [], []
        for launch in window.launches:
            features.append(features_of(window.profiles, window.catalogue, launch.item))
            bought.append(np.isin(np.arange(len(window.profiles.rows_U)), launch.buyers_B))
        features_NF, bought_N = np.vstack(features), np.concatenate(bought)
        score_N1 = (features_NF @ weights_F)[:, None]
        model = LogisticRegression(C=1e6).fit(score_N1, bought_N)
        scale_F = np.maximum(features_NF.std(axis=0), 1e-9)
        return cls(weights_F, scale_F, float(model.coef_[0, 0]), float(model.intercept_[0]))

    def response(self, features_UF: Floats) -> Response:
        constant_U1 = np.ones((len(features_UF), 1))
        return Response(
            np.hstack([features_UF / self.scale_F, constant_U1]),
            np.append(self.slope * self.weights_F * self.scale_F, self.intercept),
        )


def _best(probability_U: Floats, impressions: int, cap: int) -> np.ndarray:
    """impressions_U, each to the user in whom it is worth most."""
    worth_UC = probability_U[:, None] * AGAIN ** np.arange(cap)
    order = np.argsort(-worth_UC.ravel(), kind="stable")[:impressions]
    return np.bincount(order // cap, minlength=len(probability_U))


def _chances(told_U: Floats, impressions: int) -> Floats:
    """Chances in proportion to what is told, at most 1, that sum to the number of impressions."""
    chance_U = np.zeros(len(told_U))
    left_U = told_U > 0
    impressions = min(impressions, int(left_U.sum()))
    while True:
        left = impressions - (chance_U >= 1).sum()
        if not left or not left_U.any():
            return chance_U
        chance_U[left_U] = left * told_U[left_U] / told_U[left_U].sum()
        above_U = left_U & (chance_U >= 1)
        if not above_U.any():
            return chance_U
        chance_U[above_U], left_U = 1.0, left_U & ~above_U


def _drawn(chance_U: Floats, random: np.random.Generator) -> np.ndarray:
    """drawn_U with exactly these chances, by systematic sampling in a random order."""
    order = random.permutation(len(chance_U))
    reached = np.cumsum(chance_U[order]) + random.random()
    drawn_U = np.zeros(len(chance_U), bool)
    drawn_U[order] = np.floor(reached + 1e-9) > np.floor(reached - chance_U[order] + 1e-9)
    return drawn_U
