"""A linear model from item to item in closed form: EASE (Steck 2019), trained on the order of
events.

EASE reconstructs a user's items from the same items, with a zero diagonal. Serving needs the next
items given a history. So most training rows are a user's decayed history at a moment, with the
events of the window after it as targets, as in SLIT (Choi et al. 2021, "Session-aware Linear
Item-Item Models for Session-based Recommendation"). EASE's rows are added with a weight, as in
SLIST, and so are items of the same tag, as if the tag were a user. All rows enter one ridge
regression, so there is one solve. On Beauty's 3,500 most
bought items, validation, NDCG@10 of EASE's rows at .3 of the order's was .0730 and of the order's
alone .0718; tags brought .0765.

Inputs are events of all types that the shop records, with strengths tuned on validation; targets
are those of the type to predict.

With repeat purchases the diagonal is learned like any other weight; otherwise it is held at zero,
as in EASE.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
import torch

from penchant.artifacts import Mechanism
from training.data.catalogue import tags
from training.data.histories import DAY, FloatArray, Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.event_types import (
    Strengths,
    from_record,
    from_tensor,
    read_events,
    recorded,
    target_type,
    to_tensor,
    tuned_strengths,
)
from training.layers.popularity import popularity
from training.privacy.accounting import Guarantee, calibrated
from training.privacy.noise import Doubles, Noise
from training.privacy.statistics import (
    COUNTS_THEN_MOMENTS,
    above_noise,
    noisy_moments,
    noisy_popularity,
)

BLOCK = 512  # items whose row of a matrix is made at once; bounds the memory
FAINT = 1e-3  # smaller inputs are dropped, for memory
SPARSE_COST = 40  # dense multiplications in the time of a sparse one
POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-3  # orders only items without weights


@dataclass(frozen=True)
class Config:
    """``regularization`` is the ridge on every weight, ``half_life_days`` the decay of a history.

    The last ``windows`` windows of ``window_days`` are trained on. ``together``: weight of EASE's
    own rows; ``same_tag``: of the tags' rows. ``repeats``: learn the diagonal, for repeat
    purchases. Items of fewer than ``min_buyers`` get no weights; of the others, the ``most_items``
    with most buyers do.

    Under ``privacy`` the ``private_items`` of the noisiest count do, with the ridge
    ``private_regularization`` on moments to which a user adds at most 1; event types other than the
    one to predict, ``together`` and ``same_tag`` aren't used.
    """

    regularization: float = 3000.0
    half_life_days: float = 120.0
    window_days: float = 14.0
    windows: int = 8
    together: float = 0.0
    same_tag: float = 0.0
    repeats: bool = True
    min_buyers: int = 5
    most_items: int = 2500
    private_items: int = 100
    private_regularization: float = 30.0
    privacy: Guarantee | None = None


class Model(Ranker):
    """State: ``weights_JJ`` from a history's item to a next item, ``items_J`` which of the
    catalogue these are, popularity, and the strengths of event types."""

    config: Config
    rounding = 5e-4  # of the solve, whose matrix has a condition number of thousands

    def mechanisms(self) -> tuple[Mechanism, ...]:
        return calibrated(COUNTS_THEN_MOMENTS, self.config.privacy)

    def fit(self, split: Split, context: TrainingContext) -> None:
        if self.config.privacy:
            self._fit_privately(split.train, Noise())
            return
        self.observe(split.train)
        self.strengths = tuned_strengths(
            split.train,
            lambda users, strengths: self._solve(users, context, strengths),
            self.scores,
            context,
        )
        self.tuned = recorded(self.strengths)
        context.curve("validation_ndcg@10", 1, context.validate(self.scores))

    def _solve(
        self,
        train: Histories,
        context: TrainingContext,
        strengths: Strengths,
        gone_B: IntArray | None = None,
    ) -> None:
        """``gone_B``: rows of users who are subtracted from the moments."""
        config, self.strengths = self.config, strengths
        self.items_J = frequent_items(
            train.every_type(strengths), config.min_buyers, config.most_items, gone_B
        )
        inputs, outputs = examples(train, strengths, context.items, self.items_J, config)
        context.budget.check()
        gram_JJ = gram(inputs)
        less = inputs - outputs
        difference_JJ = (
            product(inputs, less) if dense_is_faster(inputs) else (inputs.T @ less).tocsr()
        )
        if gone_B is not None:
            own = replace(config, same_tag=0.0)  # no user's rows
            theirs, came = examples(train.take(gone_B), strengths, context.items, self.items_J, own)
            gram_JJ -= (theirs.T @ theirs).toarray()
            theirs_JJ = theirs.T @ (theirs - came)
            is_sparse = sp.issparse(difference_JJ)
            difference_JJ = difference_JJ - (theirs_JJ if is_sparse else theirs_JJ.toarray())
        context.budget.check()
        self.weights_JJ = solve(gram_JJ, config.regularization, difference_JJ, config.repeats)

    def _fit_privately(self, train: Histories, noise: Noise) -> None:
        config, (counting, measuring) = self.config, self.mechanisms()
        self.strengths = {target_type(train): 1.0}
        self.popularity_I = noisy_popularity(train, POPULARITY_DAYS, counting, noise)
        self.items_J = np.sort(np.argsort(-self.popularity_I)[: config.private_items])
        windows = list(_windows(train, self.strengths, config))
        owner_N = np.concatenate([rows for rows, _, _ in windows])
        inputs, outputs = (
            sp.vstack([window[part] for window in windows], format="csr")[:, self.items_J]
            for part in (1, 2)
        )
        moments = noisy_moments(inputs, outputs, owner_N, len(train), measuring, noise)
        self.weights_JJ = solve_noisy(
            *moments, measuring.noise_multiplier, config.private_regularization
        )

    def observe(self, histories: Histories) -> None:
        if self.config.privacy:
            return
        self.popularity_I = popularity(histories, POPULARITY_DAYS)

    def unlearn(
        self, split: Split, histories: Histories, gone_B: IntArray, context: TrainingContext
    ) -> None:
        strengths = from_record(self.tuned, target_type(split.train))
        self._solve(split.train, context, strengths, gone_B)
        self.popularity_I = popularity(histories, POPULARITY_DAYS, gone_B)

    def scores(self, batch: Histories) -> torch.Tensor:
        past = decayed(read_events(batch, self.strengths), self.config.half_life_days)
        scores_BI = self.weights_JJ.diagonal().mean() * past.toarray()  # of items without weights
        scores_BI[:, self.items_J] = past[:, self.items_J] @ self.weights_JJ
        scores_BI += POPULARITY_SHARE * self.popularity_I
        return torch.from_numpy(scores_BI)

    def state(self) -> State:
        return {
            "weights_JJ": torch.from_numpy(self.weights_JJ),
            "items_J": torch.from_numpy(self.items_J),
            "popularity_I": torch.from_numpy(self.popularity_I),
            "strengths_T": to_tensor(self.strengths),
        }

    def load_state(self, state: State) -> None:
        self.weights_JJ = state["weights_JJ"].numpy()
        self.items_J = state["items_J"].numpy()
        self.popularity_I = state["popularity_I"].numpy()
        self.strengths = from_tensor(state["strengths_T"])


def decayed(histories: Histories, half_life_days: float) -> sp.csr_matrix:
    """inputs_UI: decayed histories."""
    weights_N = histories.weights_N * 0.5 ** (histories.ages_N / half_life_days)
    return histories.matrix(np.where(weights_N < FAINT, 0, weights_N))


def frequent_items(
    histories: Histories, min_buyers: int, most_items: int, gone_B: IntArray | None = None
) -> IntArray:
    """items_J in ascending order, at least one; without the users in rows ``gone_B``."""
    bought = histories.matrix(histories.weights_N)
    buyers_I = bought.getnnz(axis=0)
    if gone_B is not None:
        buyers_I = buyers_I - bought[gone_B].getnnz(axis=0)
    order_I = np.argsort(-buyers_I, kind="stable")
    enough = int((buyers_I >= min_buyers).sum())
    return np.sort(order_I[: max(1, min(enough, most_items))]).astype(np.int64)


def examples(
    histories: Histories,
    strengths: Strengths,
    items: pa.Table,
    items_J: IntArray,
    config: Config,
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """inputs_NJ and their targets outputs_NJ: of windows, of EASE, of tags."""
    windows = list(_windows(histories, strengths, config))
    inputs, outputs = (
        sp.vstack([window[part] for window in windows], format="csr")[:, items_J] for part in (1, 2)
    )
    both = []
    if config.together:
        every_type = histories.every_type(strengths)
        bought = every_type.matrix(every_type.weights_N)[:, items_J].astype(bool)
        both.append(bought * np.float32(config.together**0.5))
    if config.same_tag:
        carried = tags(items)[items_J]
        carriers_T = np.maximum(carried.getnnz(axis=0), 1).astype(np.float32)
        both.append((carried @ sp.diags(config.same_tag**0.5 * carriers_T**-0.25)).T)
    return (
        sp.vstack([inputs, *both], format="csr", dtype=np.float32),
        sp.vstack([outputs, *both], format="csr", dtype=np.float32),
    )


def _windows(
    histories: Histories, strengths: Strengths, config: Config
) -> Iterator[tuple[IntArray, sp.csr_matrix, sp.csr_matrix]]:
    """For each window the rows of the users with events before and in it, their decayed histories
    at its begin, and which items they had in it."""
    window = int(config.window_days * DAY)
    for number in range(1, config.windows + 1):
        cut = histories.end - window * number
        past = histories.before(cut).every_type(strengths)
        after = histories.between(cut, cut + window)
        rows = np.flatnonzero((past.lengths_U > 0) & (after.lengths_U > 0))
        came = after.take(rows)
        inputs = decayed(past.take(rows), config.half_life_days)
        yield rows, inputs, came.matrix(came.weights_N).sign()


def solve_noisy(
    gram_JJ: Doubles, product_JJ: Doubles, deviation: float, regularization: float
) -> FloatArray:
    """weights_JJ from moments with noise of this standard deviation.

    Negative eigenvalues of the Gram matrix are set to zero. The ridge grows with what is left of
    the noise.
    """
    gram_JJ, product_JJ = (above_noise(each, deviation) for each in (gram_JJ, product_JJ))
    values_J, vectors_JJ = np.linalg.eigh(gram_JJ)
    scale_J = 1 / (np.maximum(values_J, 0) + regularization + deviation)
    weights_JJ = (vectors_JJ * scale_J) @ (vectors_JJ.T @ product_JJ)
    return weights_JJ.astype(np.float32)


def gram(inputs: sp.csr_matrix) -> FloatArray:
    """inputs' · inputs, J x J, dense."""
    if dense_is_faster(inputs):
        return product(inputs, inputs)
    gram_JJ = np.empty((inputs.shape[1],) * 2, np.float32)
    transposed = inputs.T.tocsr()
    for rows in blocks(len(gram_JJ)):
        gram_JJ[rows] = (transposed[rows] @ inputs).toarray()
    return gram_JJ


def dense_is_faster(inputs: sp.csr_matrix) -> bool:
    """Whether the Gram matrix is computed faster from dense blocks."""
    lengths_N = inputs.getnnz(axis=1).astype(np.int64)
    return bool(SPARSE_COST * (lengths_N @ lengths_N) > len(lengths_N) * inputs.shape[1] ** 2)


def product(left_NJ: sp.csr_matrix, right_NJ: sp.csr_matrix) -> FloatArray:
    """left' · right from dense blocks of rows."""
    product_JJ = np.zeros((left_NJ.shape[1],) * 2, np.float32)
    for rows in blocks(left_NJ.shape[0]):
        product_JJ += left_NJ[rows].toarray().T @ right_NJ[rows].toarray()
    return product_JJ


def solve(
    gram_JJ: FloatArray,
    regularization: float,
    difference_JJ: sp.csr_matrix | FloatArray | None = None,
    repeats: bool = False,
) -> FloatArray:
    """weights_JJ that take inputs X nearest to outputs Y: min ||Y - XW||² + regularization ||W||².

    ``gram_JJ`` is X'X and is overwritten; ``difference_JJ`` is X'(X - Y), None where items predict
    themselves. The diagonal is held at zero unless ``repeats``. With P the inverse of the ridged
    Gram matrix, W = P X'Y = I - P (regularization + X'(X - Y)): what is sparse stays so, and P,
    found by Cholesky in place, is needed once.
    """
    inverse_JJ = inverse(gram_JJ, regularization)
    weights_JJ = np.empty_like(inverse_JJ)
    for rows in blocks(len(inverse_JJ)):
        part_RJ = -regularization * inverse_JJ[rows]
        if difference_JJ is not None:
            part_RJ -= difference_JJ[:, rows].T @ inverse_JJ
        itself = np.arange(len(part_RJ)), np.arange(rows.start, rows.stop)
        part_RJ[itself] += 1
        if not repeats:
            held_R = part_RJ[itself] / inverse_JJ.diagonal()[rows]
            part_RJ -= held_R[:, None] * inverse_JJ[rows]
        weights_JJ[:, rows] = part_RJ.T
    return weights_JJ


def inverse(gram_JJ: FloatArray, regularization: float) -> FloatArray:
    """Of the Gram matrix plus a ridge, in its own memory."""
    matrix_JJ = torch.from_numpy(gram_JJ)
    matrix_JJ.diagonal().add_(regularization)
    torch.linalg.cholesky(matrix_JJ, out=matrix_JJ)
    torch.cholesky_inverse(matrix_JJ, out=matrix_JJ)
    return gram_JJ


def blocks(count: int) -> Iterator[slice]:
    for first in range(0, count, BLOCK):
        yield slice(first, min(first + BLOCK, count))
