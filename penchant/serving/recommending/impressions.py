"""Logs a recommendation as shown, with its propensities."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from math import isfinite
from typing import Any

import numpy as np

from penchant.feedback.log import FeedbackLog
from penchant.serving.recommending.recommendation import Recommendation


@dataclass(frozen=True)
class Shown:
    """``impression_ids``: of the items, in their order."""

    slate_id: str
    impression_ids: tuple[str, ...]


@dataclass(frozen=True)
class ShownContext:
    """Where a slate is shown. ``details``: what the request says of it, such as the device."""

    placement: str
    details: Mapping[str, str] = field(default_factory=dict)


def log_shown(
    log: FeedbackLog, answer: Recommendation, placement: str, shown_at: datetime
) -> Shown:
    """Log a recommendation as shown; durable when this returns, unless the disk is full: reads go
    on, and what was shown is counted as lost. ``shown_at``: naive UTC."""
    (shown,) = log_slates(log, [answer], ShownContext(placement), shown_at)
    return shown


def log_slates(
    log: FeedbackLog, answers: Sequence[Recommendation], context: ShownContext, shown_at: datetime
) -> list[Shown]:
    """``log_shown`` for several answers with one flush."""
    impressions = [_impressions(answer, context, shown_at) for answer in answers]
    log.append_if_possible(
        {
            "propensities": chain.from_iterable(map(_propensities, answers)),
            "impressions": chain.from_iterable(impressions),
        }
    )
    return [
        Shown(answer.slate_id, tuple(str(row["impression_id"]) for row in rows))
        for answer, rows in zip(answers, impressions, strict=True)
    ]


def _impressions(
    answer: Recommendation, context: ShownContext, shown_at: datetime
) -> list[dict[str, Any]]:
    slate_id, described = answer.slate_id, _described(answer.slate.context, context.details)
    return [
        {
            "impression_id": f"{slate_id}-{position}",
            "slate_id": slate_id,
            "user_id": answer.user_id,
            "item_id": item.item_id,
            "ad_id": None,
            "placement": context.placement,
            "position": position,
            "policy": answer.policy,
            "propensity": item.propensity,
            "context": described,
            "release_id": answer.release_id,
            "score": item.score if isfinite(item.score) else None,
            "shown_at": shown_at,
        }
        for position, item in enumerate(answer.items)
    ]


def _described(context: str | None, details: Mapping[str, str]) -> str | None:
    """The policy's context and the request's, as one JSON object."""
    if not details:
        return context
    policys = json.loads(context) if context else {}
    return json.dumps({**policys, **details}, separators=(",", ":"))


def _propensities(answer: Recommendation) -> Iterator[dict[str, Any]]:
    """A row for each position and candidate with a positive propensity."""
    slate, ids = answer.slate, answer.candidates.item_ids
    for position, action in enumerate(slate.actions):
        possible = {action: slate.propensities[position]}
        if slate.propensities_KC is not None and position < len(slate.propensities_KC):
            propensity_C = slate.propensities_KC[position]
            there = np.flatnonzero(propensity_C)
            possible = dict(zip(there.tolist(), propensity_C[there].tolist(), strict=True))
        for candidate, propensity in possible.items():
            yield {
                "slate_id": answer.slate_id,
                "position": position,
                "candidate_id": ids[candidate],
                "propensity": propensity,
                "rank": candidate,
            }
