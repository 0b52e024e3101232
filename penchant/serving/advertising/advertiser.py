"""Selects the ads that a user is shown now, by the plan of the day and its pacing.

The plan says who should see which campaign how often. During the day each campaign's multiplier
follows its spending against the target (penchant/ads/pacing.py). It is a function of the counts of
past periods, so all servers have the same one.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from penchant.ads.campaigns import Floats
from penchant.ads.pacing import Pacer
from penchant.artifacts import AdPlanRecord
from penchant.errors import UsageError
from penchant.serving.advertising.plan import AdPlan
from penchant.serving.advertising.shown import Counts, counted
from penchant.serving.service import RecommendationService, check_id
from penchant.settings import Settings

MAX_ADS = 10  # ads of one answer


@dataclass(frozen=True)
class Ad:
    """``probability``: the predicted one of a response. ``seen``: impressions today, this one
    included."""

    ad_id: str
    probability: float
    seen: int
    cap: int


@dataclass(frozen=True)
class Ads:
    """Best first."""

    user_id: str
    policy: str
    release_id: str
    snapshot_id: str
    ads: tuple[Ad, ...]


class Advertiser:
    """Selects ads of the plan for the live release's snapshot. Safe to share between threads."""

    def __init__(self, settings: Settings, service: RecommendationService) -> None:
        self._settings, self._service = settings, service
        self._lock = threading.Lock()
        self._plan: tuple[tuple[str, int], AdPlan] | None = None

    def select(self, user_id: str, k: int, now: datetime) -> Ads:
        """At most ``k`` distinct ads, which are counted as shown. ``now``: naive UTC.

        Empty where the plan has none left for the user, and for one who is not profiled. Raises
        UsageError for a malformed id or ``k`` outside 1 to 10, NothingToDo without a plan.
        """
        check_id("user", user_id)
        if not 1 <= k <= MAX_ADS:
            raise UsageError(f"k: must be from 1 to {MAX_ADS}, got {k}", "fix k")
        release = self._service.read(lambda opened: opened.release)
        plan = self._planned(release.snapshot_id)
        ads: list[Ad] = []
        if self._service.profiles(user_id):
            with counted(self._settings.home / "ads" / "shown.db", now) as counts:
                ads = _select(plan, counts, user_id, k, now)
        policy = f"ads by {plan.run_id}"
        return Ads(user_id, policy, release.id, release.snapshot_id, tuple(ads))

    def _planned(self, snapshot_id: str) -> AdPlan:
        path = AdPlanRecord.path(self._settings, snapshot_id)
        with self._lock:
            made = path.stat().st_mtime_ns if path.is_file() else -1
            if self._plan is None or self._plan[0] != (snapshot_id, made):
                self._plan = (snapshot_id, made), AdPlan.open(self._settings, snapshot_id)
            return self._plan[1]


def _select(plan: AdPlan, counts: Counts, user_id: str, k: int, now: datetime) -> list[Ad]:
    campaigns, periods = plan.campaigns, len(plan.curve_M)
    period = (now.hour * 60 + now.minute) * periods // (24 * 60)
    planned_C, probability_C = plan.of(user_id)
    seen = counts.of_user(user_id)
    seen_C = np.array([seen.get(ad_id, 0) for ad_id in campaigns.ids])
    eligible_C = np.where(seen_C < planned_C, probability_C, 0.0)
    if not eligible_C.any():
        return []
    times_MC = np.array(counts.by_period(campaigns.ids, periods))
    pacer = _paced(plan, times_MC * campaigns.price_C, period)
    pacer.seen = Counter({(user_id, at): int(times) for at, times in enumerate(seen_C)})
    pacer.attention[user_id] = int(seen_C.sum()) * plan.pacing.ad_attention
    ads: list[Ad] = []
    while len(ads) < k and (ad_id := pacer.select(user_id, eligible_C)) is not None:
        at = campaigns.ids.index(ad_id)
        eligible_C[at] = 0.0  # ads of one answer are distinct
        cap = int(campaigns.cap_C[at])
        ads.append(Ad(ad_id, float(probability_C[at]), int(seen_C[at]) + 1, cap))
    counts.add(user_id, [ad.ad_id for ad in ads], period)
    return ads


def _paced(plan: AdPlan, spent_MC: Floats, period: int) -> Pacer:
    """The pacer after the spending up to now."""
    pacer = Pacer.starting(plan.campaigns, plan.pacing, plan.curve_M, plan.prices_C)
    for spent_C in spent_MC[:period]:
        pacer.spent_C = pacer.spent_C + spent_C
        pacer.end_period()
    pacer.spent_C = pacer.spent_C + spent_MC[period:].sum(axis=0)
    return pacer
