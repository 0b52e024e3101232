"""Logs ads as shown, with a propensity of 1: the selection is deterministic."""

from datetime import datetime
from uuid import uuid4

from penchant.feedback.log import FeedbackLog
from penchant.serving.advertising.advertiser import Ads
from penchant.serving.recommending.impressions import Shown


def log_ads(log: FeedbackLog, answer: Ads, placement: str, shown_at: datetime) -> Shown:
    """Log ads as shown; durable when this returns. ``shown_at``: naive UTC."""
    slate_id = str(uuid4())
    impressions = [
        {
            "impression_id": f"{slate_id}-{position}",
            "slate_id": slate_id,
            "user_id": answer.user_id,
            "item_id": None,
            "ad_id": ad.ad_id,
            "placement": placement,
            "position": position,
            "policy": answer.policy,
            "propensity": 1.0,
            "context": None,
            "release_id": answer.release_id,
            "score": ad.probability,
            "shown_at": shown_at,
        }
        for position, ad in enumerate(answer.ads)
    ]
    propensities = [
        {
            "slate_id": slate_id,
            "position": position,
            "candidate_id": ad.ad_id,
            "propensity": 1.0,
            "rank": position,
        }
        for position, ad in enumerate(answer.ads)
    ]
    log.append_together({"propensities": propensities, "impressions": impressions})
    return Shown(slate_id, tuple(str(row["impression_id"]) for row in impressions))
