"""What of a recommendation is logged: that it was shown, and with what chances."""

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
    """Keep a recommendation as shown, durably. ``shown_at``: naive UTC."""
    slate_id = answer.slate_id
    impressions = [
        {
            "impression_id": f"{slate_id}-{position}",
            "slate_id": slate_id,
            "user_id": answer.asked,
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
    log.append_together({"propensities": _chances(answer, slate_id), "impressions": impressions})
    return Shown(slate_id, tuple(str(row["impression_id"]) for row in impressions))


def _chances(answer: Recommendation, slate_id: str) -> Iterator[dict[str, Any]]:
    """A row for each position and candidate that could have been there."""
    slate, ids = answer.slate, answer.candidates.item_ids
    for position, place in enumerate(slate.places):
        possible = {place: slate.propensities[position]}
        if slate.chances_KC is not None:
            chances_C = slate.chances_KC[position]
            there = np.flatnonzero(chances_C)
            possible = dict(zip(there.tolist(), chances_C[there].tolist(), strict=True))
        for candidate, chance in possible.items():
            yield {
                "slate_id": slate_id,
                "position": position,
                "candidate_id": ids[candidate],
                "propensity": chance,
                "rank": candidate,
            }
