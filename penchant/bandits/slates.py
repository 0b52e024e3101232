"""Slates sampled from action scores, with the exact propensity of every selected action.

Every policy is a set of V *scorers*. A scorer scores the candidates of a request; its action is the
best of those that are left. Each position of a slate is sampled anew: with probability ``uniform``
any candidate that is left, else the action of a scorer, drawn by weight. Given the actions at the
positions before it, the propensity of action a is

    p(a) = uniform / left + (1 - uniform) * sum of the weights of the scorers whose action is a

which is a closed form: greedy and UCB have one scorer, Thompson sampling one for each posterior
draw. This conditional probability is logged. It is the probability with which the action was
sampled, whatever the number of scorers, so importance weights made of it are unbiased. It is an
unbiased estimate of the propensity under Thompson sampling with infinitely many draws, with a
standard deviation of at most 1 / (2 sqrt(V)).

The propensity of a whole slate is the product over its positions.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from penchant.errors import UsageError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ActionScores:
    """The scores that a policy gives to the candidates of B requests.

    ``scores_BVC``: of each scorer, finite where there is a candidate; the first of equal candidates
    wins. ``weights_BV``: each row sums to 1. ``uniform_B``: the share of actions that are sampled
    uniformly, in [0, 1]. ``present_BC``: where there is a candidate.
    """

    scores_BVC: FloatArray
    weights_BV: FloatArray
    uniform_B: FloatArray
    present_BC: BoolArray


@dataclass(frozen=True)
class Slates:
    """``actions_BK``: columns of the candidates, first position first. ``propensities_BK``: of each
    action, given those before it."""

    actions_BK: IntArray
    propensities_BK: FloatArray


def draw_slates(scores: ActionScores, length: int, random: np.random.Generator) -> Slates:
    """Sample a slate for every request, without replacement.

    Raises UsageError when a request has fewer than ``length`` candidates.
    """
    left_BC = _left(scores, length)
    rows_B = np.arange(len(left_BC))
    cumulative_BV = np.cumsum(scores.weights_BV, axis=1)
    actions, propensities = [], []
    for _ in range(length):
        best_BV = _best(scores, left_BC)
        draw_B = random.random(len(left_BC)) * cumulative_BV[:, -1]
        scorer_B = (cumulative_BV <= draw_B[:, None]).sum(axis=1)
        actions_B = best_BV[rows_B, scorer_B]
        uniform_B = random.random(len(left_BC)) < scores.uniform_B
        actions_B[uniform_B] = _sample_uniform(left_BC[uniform_B], random)
        propensities.append(_propensity(scores, best_BV, left_BC, actions_B))
        actions.append(actions_B)
        left_BC[rows_B, actions_B] = False
    return Slates(np.stack(actions, axis=1), np.stack(propensities, axis=1))


def draw_slate(
    scores: ActionScores, length: int, random: np.random.Generator
) -> tuple[tuple[int, ...], FloatArray]:
    """The slate that ``draw_slates`` samples for a single request, and propensities_KC of all its
    candidates at each position. Raises UsageError as it does."""
    left_C = _left(scores, length)[0]
    uniform, weights = float(scores.uniform_B[0]), scores.weights_BV[0].tolist()
    cumulative = np.cumsum(weights).tolist()
    worth_VC = np.where(left_C, scores.scores_BVC[0], -np.inf)
    best_first = np.argsort(-worth_VC, axis=1, kind="stable").tolist()
    left = np.flatnonzero(left_C).tolist()
    actions, propensities = list[int](), list[FloatArray]()
    for _ in range(length):
        action = best_first[bisect_right(cumulative, random.random() * cumulative[-1])][0]
        if random.random() < uniform:
            action = left[int(random.random() * len(left))]
        propensity_C = uniform / len(left) * left_C
        for order, weight in zip(best_first, weights, strict=True):
            propensity_C[order[0]] += (1 - uniform) * weight
            order.remove(action)
        actions.append(action)
        propensities.append(propensity_C)
        left_C[action] = False
        left.remove(action)
    return tuple(actions), np.array(propensities)


def slate_propensities(scores: ActionScores, actions_BK: IntArray) -> FloatArray:
    """propensities_BK of given slates under these scores, each position given the actions before
    it."""
    left_BC = _left(scores, actions_BK.shape[1])
    rows_B = np.arange(len(left_BC))
    found = []
    for actions_B in actions_BK.T:
        found.append(_propensity(scores, _best(scores, left_BC), left_BC, actions_B))
        left_BC[rows_B, actions_B] = False
    return np.stack(found, axis=1)


def without_action(scores: ActionScores, action: int) -> ActionScores:
    """The same scores once an action has been taken for every request."""
    present_BC = scores.present_BC.copy()
    present_BC[:, action] = False
    return replace(scores, present_BC=present_BC)


def action_probabilities(scores: ActionScores) -> FloatArray:
    """probability_BC of every action at the first position; rows sum to 1."""
    left_BC = _left(scores, 1)
    best_BV = _best(scores, left_BC)
    probability_BC = (scores.uniform_B / left_BC.sum(axis=1))[:, None] * left_BC
    for best_B, weight_B in zip(best_BV.T, scores.weights_BV.T, strict=True):
        probability_BC[np.arange(len(left_BC)), best_B] += (1 - scores.uniform_B) * weight_B
    return probability_BC


def _left(scores: ActionScores, length: int) -> BoolArray:
    fewest = int(scores.present_BC.sum(axis=1).min(initial=length))
    if fewest < length:
        raise UsageError(
            f"a request has {fewest} candidates for a slate of {length}",
            "give each request at least as many candidates as the slate has positions",
        )
    return scores.present_BC.copy()


def _best(scores: ActionScores, left_BC: BoolArray) -> IntArray:
    """best_BV: each scorer's best candidate of those left."""
    return np.where(left_BC[:, None], scores.scores_BVC, -np.inf).argmax(axis=2)


def _sample_uniform(left_BC: BoolArray, random: np.random.Generator) -> IntArray:
    """A uniformly sampled candidate of each request, of those left."""
    rank_B = np.floor(random.random(len(left_BC)) * left_BC.sum(axis=1)).astype(np.int64)
    return (np.cumsum(left_BC, axis=1) <= rank_B[:, None]).sum(axis=1)


def _propensity(
    scores: ActionScores, best_BV: IntArray, left_BC: BoolArray, actions_B: IntArray
) -> FloatArray:
    weight_B = ((best_BV == actions_B[:, None]) * scores.weights_BV).sum(axis=1)
    return scores.uniform_B / left_BC.sum(axis=1) + (1 - scores.uniform_B) * weight_B
