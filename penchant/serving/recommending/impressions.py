"""Logs a recommendation as shown, with its propensities."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from penchant.feedback.log import FeedbackLog
from penchant.serving.recommending.recommendation import Recommendation


@dataclass(frozen=True)
class Shown:
    """``impression_ids``: of the items, in their order."""

    slate_id: str
    impression_ids: tuple[str, ...]


def log_shown(
    log: FeedbackLog, answer: Recommendation, placement: str, shown_at: datetime
) -> Shown:
    """Log a recommendation as shown; durable when this returns. ``shown_at``: naive UTC."""
    slate_id = answer.slate_id
    impressions = [
        {
            "impression_id": f"{slate_id}-{position}",
            "slate_id": slate_id,
            "user_id": answer.user_id,
            "item_id": item.item_id,
            "ad_id": None,
            "placement": placement,
            "position": position,
            "policy": answer.policy,
            "propensity": item.propensity,
            "context": answer.slate.context,
            "release_id": answer.release_id,
            "shown_at": shown_at,
        }
        for position, item in enumerate(answer.items)
    ]
    log.append_together(
        {"propensities": _propensities(answer, slate_id), "impressions": impressions}
    )
    return Shown(slate_id, tuple(str(row["impression_id"]) for row in impressions))


def _propensities(answer: Recommendation, slate_id: str) -> Iterator[dict[str, Any]]:
    """A row for each position and candidate with a positive propensity."""
    slate, ids = answer.slate, answer.candidates.item_ids
    for position, action in enumerate(slate.actions):
        possible = {action: slate.propensities[position]}
        if slate.propensities_KC is not None:
            propensity_C = slate.propensities_KC[position]
            there = np.flatnonzero(propensity_C)
            possible = dict(zip(there.tolist(), propensity_C[there].tolist(), strict=True))
        for candidate, propensity in possible.items():
            yield {
                "slate_id": slate_id,
                "position": position,
                "candidate_id": ids[candidate],
                "propensity": propensity,
                "rank": candidate,
            }
