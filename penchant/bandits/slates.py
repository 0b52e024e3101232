"""Slates drawn from votes, with the exact propensity of every pick.

Every policy here is a set of *voters*. A voter scores the candidates of a request and names the
best that is left. Each position of a slate is drawn anew: with probability ``uniform`` any
candidate that is left, else a voter, by weight, and then the one that it names. So given the
earlier picks

    p(a) = uniform / left + (1 - uniform) * sum of the weights of the voters who name a

which is a closed form: greedy and UCB have one voter, Thompson sampling one for each draw of its
posterior. What is logged is this conditional probability. It is true of how the pick was drawn,
whatever the number of voters, so importance weights made of it are unbiased; of Thompson sampling
with endless draws it is an unbiased estimate, with a standard deviation of at most 1 / (2 sqrt(V)).

The probability of a whole slate is the product over its positions.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from penchant.errors import UsageError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ActionScores:
    """``scores_BVC``: each voter's view of each candidate, finite where there is a candidate; of
    equals the first is named. ``weights_BV``: each row sums to 1. ``uniform_B``: the share of picks
    that are any candidate, in [0, 1]. ``present_BC``: where there is a candidate at all."""

    scores_BVC: FloatArray
    weights_BV: FloatArray
    uniform_B: FloatArray
    present_BC: BoolArray


@dataclass(frozen=True)
class Slates:
    """``picks_BK``: columns of the candidates, first position first. ``propensities_BK``: of each,
    given the picks before it."""

    picks_BK: IntArray
    propensities_BK: FloatArray


def drawn(votes: ActionScores, length: int, random: np.random.Generator) -> Slates:
    """Draw a slate for every request, each position without what was picked before it.

    Raises UsageError when a request has fewer than ``length`` candidates.
    """
    left_BC = _left(votes, length)
    everyone_B = np.arange(len(left_BC))
    cumulative_BV = np.cumsum(votes.weights_BV, axis=1)
    picks, propensities = [], []
    for _ in range(length):
        named_BV = _named(votes, left_BC)
        lot_B = random.random(len(left_BC)) * cumulative_BV[:, -1]
        voter_B = (cumulative_BV <= lot_B[:, None]).sum(axis=1)
        picks_B = named_BV[everyone_B, voter_B]
        by_chance_B = random.random(len(left_BC)) < votes.uniform_B
        picks_B[by_chance_B] = _any_of(left_BC[by_chance_B], random)
        propensities.append(_probability(votes, named_BV, left_BC, picks_B))
        picks.append(picks_B)
        left_BC[everyone_B, picks_B] = False
    return Slates(np.stack(picks, axis=1), np.stack(propensities, axis=1))


def probabilities(votes: ActionScores, picks_BK: IntArray) -> FloatArray:
    """propensities_BK that these voters give to slates which somebody else picked, each position
    given that slate's earlier picks."""
    left_BC = _left(votes, picks_BK.shape[1])
    everyone_B = np.arange(len(left_BC))
    found = []
    for picks_B in picks_BK.T:
        found.append(_probability(votes, _named(votes, left_BC), left_BC, picks_B))
        left_BC[everyone_B, picks_B] = False
    return np.stack(found, axis=1)


def without(votes: ActionScores, pick: int) -> ActionScores:
    """The same voters once a candidate has been picked for every request."""
    present_BC = votes.present_BC.copy()
    present_BC[:, pick] = False
    return replace(votes, present_BC=present_BC)


def first_position(votes: ActionScores) -> FloatArray:
    """probability_BC of every candidate at the first position; rows sum to 1."""
    left_BC = _left(votes, 1)
    named_BV = _named(votes, left_BC)
    chances_BC = (votes.uniform_B / left_BC.sum(axis=1))[:, None] * left_BC
    for named_B, weight_B in zip(named_BV.T, votes.weights_BV.T, strict=True):
        chances_BC[np.arange(len(left_BC)), named_B] += (1 - votes.uniform_B) * weight_B
    return chances_BC


def _left(votes: ActionScores, length: int) -> BoolArray:
    fewest = int(votes.present_BC.sum(axis=1).min(initial=length))
    if fewest < length:
        raise UsageError(
            f"a request has {fewest} candidates for a slate of {length}",
            "give each request at least as many candidates as the slate has positions",
        )
    return votes.present_BC.copy()


def _named(votes: ActionScores, left_BC: BoolArray) -> IntArray:
    """named_BV: each voter's best of what is left."""
    return np.where(left_BC[:, None], votes.scores_BVC, -np.inf).argmax(axis=2)


def _any_of(left_BC: BoolArray, random: np.random.Generator) -> IntArray:
    """A candidate of each request, all that are left alike."""
    rank_B = np.floor(random.random(len(left_BC)) * left_BC.sum(axis=1)).astype(np.int64)
    return (np.cumsum(left_BC, axis=1) <= rank_B[:, None]).sum(axis=1)


def _probability(
    votes: ActionScores, named_BV: IntArray, left_BC: BoolArray, picks_B: IntArray
) -> FloatArray:
    voted_B = ((named_BV == picks_B[:, None]) * votes.weights_BV).sum(axis=1)
    return votes.uniform_B / left_BC.sum(axis=1) + (1 - votes.uniform_B) * voted_B
