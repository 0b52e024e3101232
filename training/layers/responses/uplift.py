"""What a campaign adds to spending: residuals that the user explains neither of.

Robinson 1988, "Root-N-Consistent Semiparametric Regression", and Nie and Wager 2021, "Quasi-Oracle
Estimation of Heterogeneous Treatment Effects" (the R-learner): spending minus what such a user
spends, against having been sent the campaign minus the chance of that. Both expectations are found
on other users' rows (cross-fitting), so that no row explains itself.

It is assumed that, among users with the same features, who was sent a campaign had nothing to do
with what they would have spent (no unmeasured confounding), and that any such user might or
might not have been sent it (overlap). A shop whose campaigns go out at random meets both, and its
logged chance is used as it is. Complete Journey does not say how households were picked: there the
assumption rests on the features, and an effect is an association that they do not explain.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from penchant.errors import DataError
from training.layers.responses.ads import left_out_columns
from training.layers.responses.hashing import HashedDesign, HashingConfig
from training.layers.responses.linear import logistic, ridge, sigmoid

Doubles = npt.NDArray[np.float64]

FOLDS = 4
NUISANCE = HashingConfig(buckets=1024, bins=8)
SPENDING_PENALTY, SENDING_PENALTY = 100.0, 30.0
LEAST_CHANCE = 0.01
"""Chances are kept this far from 0 and 1."""
SHARE_SENT = "share_sent"


@dataclass(frozen=True)
class Residuals:
    """``spent_N``: money beyond what such a user spends while such a campaign runs. ``sent_N``:
    1 or 0, less the chance of being sent it."""

    spent_N: Doubles
    sent_N: Doubles

    def effect(self, rows_N: npt.NDArray[np.bool_] | slice = slice(None)) -> float:
        """Money that the campaign added for each user, those weighing most who were as likely to
        be sent it as not (the overlap weights of Li, Morgan and Zaslavsky 2018)."""
        sent_N = self.sent_N[rows_N]
        return float(sent_N @ self.spent_N[rows_N] / (sent_N @ sent_N))


def residuals(table: pa.Table, outcome: str) -> Residuals:
    """Of each row of ``campaign_spending``, whose parts come from ``AdSplit``.

    Raises DataError when every user was sent every campaign, or none any.
    """
    sent_N = table["sent"].cast(pa.float64()).to_numpy()
    if sent_N.min() == sent_N.max():
        raise DataError(
            f"{'all' if sent_N[0] else 'none'} of the users were sent the campaigns of a part: "
            "there is nobody to compare with",
            "land whom each campaign was sent to, and leave some users out of each",
        )
    spent_N = table[outcome].to_numpy()
    explained = table.append_column(SHARE_SENT, pa.array(_share_sent(table, sent_N)))
    design = HashedDesign.of(explained, left_out_columns(explained), NUISANCE)
    matrix_ND = design.matrix(explained)
    known_N = table["propensity"].to_numpy(zero_copy_only=False).astype(np.float64)
    chance_N, expected_N = np.empty_like(spent_N), np.empty_like(spent_N)
    fold_N = _folds(table)
    for fold in range(FOLDS):
        others, own = fold_N != fold, fold_N == fold
        if not own.any():
            continue
        expected_N[own] = ridge(matrix_ND[others], spent_N[others], SPENDING_PENALTY).of(
            matrix_ND[own]
        )
        chance_N[own] = _chance(matrix_ND, sent_N, others, own)
    chance_N = np.where(np.isfinite(known_N), known_N, chance_N)
    chance_N = chance_N.clip(LEAST_CHANCE, 1 - LEAST_CHANCE)
    return Residuals(spent_N - expected_N, sent_N - chance_N)


def _chance(
    matrix_ND: sp.csr_matrix,
    sent_N: Doubles,
    others: npt.NDArray[np.bool_],
    own: npt.NDArray[np.bool_],
) -> Doubles:
    return sigmoid(logistic(matrix_ND[others], sent_N[others], SENDING_PENALTY).of(matrix_ND[own]))


def _share_sent(table: pa.Table, sent_N: Doubles) -> Doubles:
    """The share of users that each row's campaign was sent to: some go to many, some to few."""
    campaign_N = pc.dictionary_encode(table["ad_id"].combine_chunks()).indices.to_numpy()
    share = np.bincount(campaign_N, sent_N) / np.bincount(campaign_N)
    return share[campaign_N]


def _folds(table: pa.Table) -> npt.NDArray[np.int64]:
    """All rows of a user are in one fold."""
    return np.array([crc32(user.encode()) % FOLDS for user in table["user_id"].to_pylist()])
