"""What an offer adds to a user's spending, and what is spent on the offered items with it.

The effect is that of the family ``linear_response``, the R-learner of Nie and Wager (2021) with a
squared penalty, times ``saturation`` for each other campaign that the user has at the same time:
the effect diminishes geometrically. Penalty and saturation are those with the least squared error
on the validation campaigns. The plan counts on the strongest saturation whose error is not
significantly larger, so that it does not spend on repetition that the history does not support.

Intervals are from models that are fitted again on resampled groups of users.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from training.evaluation.metrics.intervals import FloatArray, bootstrap
from training.layers.responses.ads import AdSplit, left_out_columns, with_days
from training.layers.responses.hashing import HashedDesign, HashingConfig
from training.layers.responses.linear import Linear
from training.layers.responses.uplift import residuals

HASHING = HashingConfig(buckets=512)
PENALTIES = (1e5, 3e4, 1e4, 3e3, 1e3, 300.0, 100.0)
SATURATIONS = (1.0, 0.85, 0.7, 0.5, 0.3)
SPENDING_PENALTY = 100.0
GROUPS = 40
RUNNING = "ads_running"
ADVERTISED = "advertised_spend_after"


@dataclass(frozen=True)
class Tuned:
    """``strongest``: the strongest saturation that the validation campaigns don't exclude."""

    penalty: float
    saturation: float
    strongest: float


@dataclass(frozen=True)
class Uplift:
    """``effects`` and ``spending``: the first of each is of all users, the others of resamples."""

    design: HashedDesign
    effects: tuple[Linear, ...]
    spending: tuple[Linear, ...]


def tune(split: AdSplit, outcome: str, seed: int) -> Tuned:
    """Fit on the training campaigns, select on the validation campaigns.

    Raises DataError where all users, or none, were sent the campaigns of a part.
    """
    design = design_of(split.train)
    matrix_ND, held_ND = design.matrix(split.train), design.matrix(split.validation)
    learned, held = residuals(split.train, outcome), residuals(split.validation, outcome)
    power_N, held_power_N = running(split.train), running(split.validation)
    errors: dict[tuple[float, float], FloatArray] = {}
    for saturation in SATURATIONS:
        sent_N = learned.sent_N * saturation**power_N
        everybody = np.zeros(len(sent_N), np.int64)
        sums = _sums(matrix_ND, learned.spent_N / sent_N, sent_N**2, everybody)
        for penalty in PENALTIES:
            linear = sums.solved(np.ones(1), penalty)
            expected_N = held.sent_N * saturation**held_power_N * linear.of(held_ND)
            errors[saturation, penalty] = np.square(held.spent_N - expected_N)
    saturation, penalty = min(errors, key=lambda each: float(errors[each].mean()))
    possible = [
        other
        for other in SATURATIONS
        if bootstrap(errors[other, penalty] - errors[saturation, penalty], seed).low <= 0
    ]
    return Tuned(penalty, saturation, min(possible))


def fit_uplift(table: pa.Table, outcome: str, tuned: Tuned, seed: int, draws: int) -> Uplift:
    """Fit on all rows of ``campaign_spending``."""
    table = with_days(table)
    design = design_of(table)
    matrix_ND, learned = design.matrix(table), residuals(table, outcome)
    sent_N = learned.sent_N * tuned.saturation ** running(table)
    group_N = groups_of(table)
    sent = np.flatnonzero(table["sent"].to_numpy(zero_copy_only=False))
    return Uplift(
        design,
        _resampled(
            _sums(matrix_ND, learned.spent_N / sent_N, sent_N**2, group_N),
            tuned.penalty,
            seed,
            draws,
        ),
        _resampled(
            _sums(
                matrix_ND[sent],
                table[ADVERTISED].to_numpy()[sent],
                np.ones(len(sent)),
                group_N[sent],
            ),
            SPENDING_PENALTY,
            seed,
            draws,
        ),
    )


def design_of(table: pa.Table) -> HashedDesign:
    return HashedDesign.of(table, left_out_columns(table) | {RUNNING}, HASHING)


def running(table: pa.Table) -> FloatArray:
    """running_N: campaigns that the user already had."""
    if RUNNING not in table.column_names:
        return np.zeros(len(table))
    return table[RUNNING].cast(pa.float64()).to_numpy()


def groups_of(table: pa.Table) -> np.ndarray:
    """group_N: all rows of a user are in one group."""
    return np.array([crc32(b"group" + user.encode()) % GROUPS for user in _users(table)])


def _users(table: pa.Table) -> list[str]:
    return table["user_id"].to_pylist()


@dataclass(frozen=True)
class _Sums:
    """Of each group: weight_G, columns_GD, target_G, squares_GDD and products_GD."""

    weight_G: FloatArray
    columns_GD: FloatArray
    target_G: FloatArray
    squares_GDD: FloatArray
    products_GD: FloatArray

    def solved(self, count_G: FloatArray, penalty: float) -> Linear:
        """Ridge regression with each group counted so often; the intercept isn't penalised."""
        total = count_G @ self.weight_G
        mean_D, target = count_G @ self.columns_GD / total, count_G @ self.target_G / total
        gram_DD = np.tensordot(count_G, self.squares_GDD, 1) - total * np.outer(mean_D, mean_D)
        gram_DD[np.diag_indices_from(gram_DD)] += penalty
        product_D = count_G @ self.products_GD - total * target * mean_D
        weights_D: FloatArray = np.linalg.solve(gram_DD, product_D).astype(np.float64)
        return Linear(weights_D, float(target - mean_D @ weights_D))


def _sums(
    matrix_ND: sp.csr_matrix, target_N: FloatArray, weight_N: FloatArray, group_N: np.ndarray
) -> _Sums:
    found = []
    for group in range(int(group_N.max()) + 1):
        rows = np.flatnonzero(group_N == group)
        # dense, since hashed rows with crosses fill most of the columns
        columns_ND, target, weight = matrix_ND[rows].toarray(), target_N[rows], weight_N[rows]
        weighed_ND = columns_ND * weight[:, None]
        found.append(
            (
                weight.sum(),
                weighed_ND.sum(axis=0),
                weight @ target,
                weighed_ND.T @ columns_ND,
                weighed_ND.T @ target,
            )
        )
    return _Sums(*(np.array(each) for each in zip(*found, strict=True)))


def _resampled(sums: _Sums, penalty: float, seed: int, draws: int) -> tuple[Linear, ...]:
    """Fitted on all groups, then on each resample of them."""
    groups = len(sums.weight_G)
    drawn = np.random.default_rng(seed).multinomial(groups, [1 / groups] * groups, draws)
    counts = [np.ones(groups), *drawn]
    return tuple(sums.solved(np.asarray(each, np.float64), penalty) for each in counts)
