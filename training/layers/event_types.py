"""Strengths of event types: how much a view or a cart says beside a purchase, tuned on validation.

The type that families predict counts 1. Of each other type that the shop records, strengths are
tried from the strongest down, one type after the other, and a type that doesn't help is left out.
Each is a fit, so a large shop tries them on a sample of its users.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from penchant.interactions import EVENT_TYPES
from training.data.histories import Histories, joined_events
from training.evaluation.metrics.full_ranking import Scorer
from training.fitting.context import TrainingContext

STRENGTHS = (1.0, 0.3, 0.1, 0.03)
TUNED_ON_USERS = 50_000  # at most: the last fit has all users

Strengths = dict[str, float]
"""Event type → what the weights of its events are multiplied by; 0 for a type that doesn't help,
and no entry for a type that wasn't recorded."""


def target_type(histories: Histories) -> str:
    """The event type that is predicted."""
    return EVENT_TYPES[int(histories.places_N[0])] if len(histories.items_N) else EVENT_TYPES[0]


def other_types(histories: Histories) -> tuple[str, ...]:
    """The other event types with events, strongest first."""
    if histories.others is None:
        return ()
    return tuple(EVENT_TYPES[place] for place in np.unique(histories.others.places_N))


def tuned_strengths(
    train: Histories,
    fit: Callable[[Histories, Strengths], None],
    score: Scorer,
    context: TrainingContext,
) -> Strengths:
    """The strengths that validate best; the family is left fitted with them on ``train``.

    ``fit``: fits the family with these strengths; ``score``: the fitted family's. Where the shop
    records one type, it is fitted once. A strength isn't tried if the one above it was worse than
    the one above that, nor once the budget has no time for two more fits.
    """
    others = other_types(train)
    best: Strengths = {target_type(train): 1.0, **dict.fromkeys(others, 0.0)}
    if not others:
        fit(train, best)
        return best
    tuned_on = _sample(train, context)
    started = context.budget.spent
    fit(tuned_on, best)
    best_score, fitted = context.validate(score), best
    seconds = context.budget.spent - started
    for step, name in enumerate(others):
        previous = -math.inf
        for strength in STRENGTHS:
            if context.budget.fitting_seconds_left < 2 * seconds:
                break
            fitted = best | {name: strength}
            fit(tuned_on, fitted)
            found = context.validate(score)
            context.curve(f"validation_ndcg@10_of_{name}_at_{strength:g}", step, found)
            if found > best_score:
                best, best_score = fitted, found
            if found < previous:
                break
            previous = found
    if fitted is not best or tuned_on is not train:
        fit(train, best)
    return best


def _sample(train: Histories, context: TrainingContext) -> Histories:
    """All users, or TUNED_ON_USERS at random."""
    if len(train) <= TUNED_ON_USERS:
        return train
    context.cut(f"strengths of event types tuned on {TUNED_ON_USERS:,} of {len(train):,} users")
    rows = np.random.default_rng(context.seed).permutation(len(train))[:TUNED_ON_USERS]
    return train.take(np.sort(rows))


def read_events(batch: Histories, strengths: Strengths) -> Histories:
    """The events to score users by; see ``with_unread``."""
    return with_unread(batch.every_type(strengths), batch, strengths)


def with_unread(known: Histories, batch: Histories, strengths: Strengths) -> Histories:
    """``known`` events, and all those of users who have none of a type with strength: for whoever
    only viewed, views are the whole history."""
    if batch.others is None:
        return known
    every_type = batch.every_type()
    unread_B = (batch.every_type(strengths).lengths_U == 0) & (every_type.lengths_U > 0)
    if not unread_B.any():
        return known
    return joined_events(known, every_type.only(unread_B[every_type.rows_N]))


def recorded(strengths: Strengths) -> dict[str, float]:
    """Their entries in the run record; none where there is one event type."""
    if len(strengths) == 1:
        return {}
    return {f"strength_{name}": strength for name, strength in strengths.items()}


def from_record(tuned: Mapping[str, float], target: str) -> Strengths:
    """The strengths of a run record; see ``recorded``."""
    found = {name: tuned[key] for name in EVENT_TYPES if (key := f"strength_{name}") in tuned}
    return found or {target: 1.0}


def to_tensor(strengths: Strengths) -> torch.Tensor:
    """strengths_T of ``EVENT_TYPES``, NaN for those without an entry."""
    return torch.tensor([strengths.get(name, math.nan) for name in EVENT_TYPES])


def from_tensor(strengths_T: torch.Tensor) -> Strengths:
    """The inverse of ``to_tensor``."""
    values = zip(EVENT_TYPES, strengths_T.tolist(), strict=True)
    return {name: strength for name, strength in values if not math.isnan(strength)}
