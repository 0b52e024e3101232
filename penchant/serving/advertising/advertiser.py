"""Which ads a user is shown now: what the plan of the day has for them, paced by penchant/ads.

The plan says who should see which campaign how often. Through the day each campaign's multiplier
moves with what was spent against what should have been by then (penchant/ads/pacing.py); it follows
from the counts of the moments that are over, so all servers have the same.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from penchant.ads.campaigns import Floats
from penchant.ads.pacing import Pacer
from penchant.errors import UsageError
from penchant.serving.advertising.plan import AdPlan
from penchant.serving.advertising.shown import Counts, counted
from penchant.serving.service import RecommendationService, check_id
from penchant.settings import Settings

MAX_ADS = 10  # ads of one answer


@dataclass(frozen=True)
class Ad:
    """``probability``: of a response, as predicted. ``seen``: times today, this one included."""

    ad_id: str
    probability: float
    seen: int
    cap: int


@dataclass(frozen=True)
class Ads:
    """Best first; ``policy``: what chose them."""

    user_id: str
    policy: str
    release_id: str
    snapshot_id: str
    ads: tuple[Ad, ...]


class Advertiser:
    """Chooses ads of the plan for the live release's snapshot. Safe to share between threads."""

    def __init__(self, settings: Settings, service: RecommendationService) -> None:
        self._settings, self._service = settings, service
        self._lock = threading.Lock()
        self._plan: tuple[tuple[str, int], AdPlan] | None = None

    def choose(self, user_id: str, k: int, now: datetime) -> Ads:
        """At most ``k`` different ads, which are then counted as shown. ``now``: naive UTC.

        Empty where the plan has none for the user, or what it has was shown. Raises UsageError
        for a malformed id or ``k`` outside 1 to 10, NothingToDo where no ads are planned.
        """
        check_id("user", user_id)
        if not 1 <= k <= MAX_ADS:
            raise UsageError(f"k is {k}", f"pass a k from 1 to {MAX_ADS}")
        release = self._service.read(lambda opened: opened.release)
        plan = self._planned(release.snapshot_id)
        with counted(self._settings.home / "ads" / "shown.db", now) as counts:
            ads = _chosen(plan, counts, user_id, k, now)
        policy = f"ads by {plan.run_id}"
        return Ads(user_id, policy, release.id, release.snapshot_id, tuple(ads))

    def _planned(self, snapshot_id: str) -> AdPlan:
        path = self._settings.home / "ads" / snapshot_id / "plan.json"
        with self._lock:
            made = path.stat().st_mtime_ns if path.is_file() else -1
            if self._plan is None or self._plan[0] != (snapshot_id, made):
                self._plan = (snapshot_id, made), AdPlan.open(self._settings, snapshot_id)
            return self._plan[1]


def _chosen(plan: AdPlan, counts: Counts, user_id: str, k: int, now: datetime) -> list[Ad]:
    campaigns, moments = plan.campaigns, len(plan.curve_M)
    moment = (now.hour * 60 + now.minute) * moments // (24 * 60)
    planned_C, probability_C = plan.of(user_id)
    seen = counts.of_user(user_id)
    seen_C = np.array([seen.get(ad_id, 0) for ad_id in campaigns.ids])
    wanted_C = np.where(seen_C < planned_C, probability_C, 0.0)
    if not wanted_C.any():
        return []
    times_MC = np.array(counts.by_moment(campaigns.ids, moments))
    pacer = _paced(plan, times_MC * campaigns.price_C, moment)
    pacer.seen = Counter({(user_id, at): int(times) for at, times in enumerate(seen_C)})
    pacer.attention[user_id] = int(seen_C.sum()) * plan.pacing.ad_attention
    ads: list[Ad] = []
    while len(ads) < k and (ad_id := pacer.choose(user_id, wanted_C)) is not None:
        at = campaigns.ids.index(ad_id)
        wanted_C[at] = 0.0  # an answer has each ad once
        cap = int(campaigns.cap_C[at])
        ads.append(Ad(ad_id, float(probability_C[at]), int(seen_C[at]) + 1, cap))
    counts.add(user_id, [ad.ad_id for ad in ads], moment)
    return ads


def _paced(plan: AdPlan, spent_MC: Floats, moment: int) -> Pacer:
    """The pacer as it is in a moment, after what was spent in those before and in this one."""
    pacer = Pacer.starting(plan.campaigns, plan.pacing, plan.curve_M, plan.prices_C)
    for spent_C in spent_MC[:moment]:
        pacer.spent_C = pacer.spent_C + spent_C
        pacer.pass_time()
    pacer.spent_C = pacer.spent_C + spent_MC[moment:].sum(axis=0)
    return pacer
