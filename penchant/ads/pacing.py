"""Serving ads through a day whose users nobody knows beforehand: adaptive pacing.

Each campaign has a multiplier, the price of its budget. An ad is worth value x probability less
multiplier x price; the best of positive worth is shown, if its campaign has budget left and the
user has not seen it as often as allowed. After each moment the multiplier moves by what was
spent in it against what is left for it: dual mirror descent with the entropy's map (Balseiro, Lu &
Mirrokni 2020, "Dual Mirror Descent for Online Allocation Problems"; pacing by a multiplier is
Balseiro & Gur's, 2019). It starts from the price in the linear program of the day before.

What a user was shown as recommendation takes from the same attention as an ad.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from penchant.ads.campaigns import Campaigns, Floats
from penchant.errors import UsageError


@dataclass(frozen=True)
class PacingConfig:
    """``rate``: how fast a multiplier answers to what was spent. ``floor``: the least multiplier,
    as a share of a campaign's value for its price. ``attention``: of a user and day, in
    impressions; ``ad_attention``: what one ad takes of it, where a recommendation takes one."""

    rate: float = 0.2
    floor: float = 0.01
    attention: int = 40
    ad_attention: int = 4


@dataclass
class Pacer:
    """One day. ``curve``: the share of the day's traffic that has come by each of its moments, from
    the day before, rising to 1."""

    campaigns: Campaigns
    config: PacingConfig
    curve: Floats
    multiplier_C: Floats
    spent_C: Floats
    spent_before_C: Floats
    moment: int = 0
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    attention: Counter[str] = field(default_factory=Counter)

    @classmethod
    def starting(
        cls, campaigns: Campaigns, config: PacingConfig, curve: Floats, prices_C: Floats
    ) -> "Pacer":
        """At the start of a day. Raises UsageError for a curve that does not rise to 1."""
        if not len(curve) or (np.diff(curve, prepend=0.0) < 0).any() or abs(curve[-1] - 1) > 1e-9:
            raise UsageError(
                "the curve of a day's traffic does not rise to 1", "give cumulated shares of a day"
            )
        nothing_C = np.zeros(len(campaigns.ids))
        floor_C = config.floor * campaigns.value_C / campaigns.price_C
        prices_C = np.maximum(floor_C, prices_C)
        return cls(campaigns, config, curve, prices_C, nothing_C, nothing_C.copy())

    def recommended(self, user_id: str, items: int) -> None:
        """Count recommendations that a user was shown."""
        self.attention[user_id] += items

    def choose(self, user_id: str, probability_C: Floats) -> str | None:
        """The ad to show now, which is then counted as shown, or None."""
        if self.attention[user_id] + self.config.ad_attention > self.config.attention:
            return None
        campaigns = self.campaigns
        seen_C = np.array([self.seen[user_id, c] for c in range(len(campaigns.ids))])
        allowed_C = (seen_C < campaigns.cap_C) & (
            self.spent_C + campaigns.price_C <= campaigns.budget_C
        )
        worth_C = probability_C * campaigns.value_C - self.multiplier_C * campaigns.price_C
        worth_C = np.where(allowed_C, worth_C, -np.inf)
        if not len(worth_C) or worth_C.max() <= 0:
            return None
        best = int(worth_C.argmax())
        self.seen[user_id, best] += 1
        self.attention[user_id] += self.config.ad_attention
        self.spent_C[best] += campaigns.price_C[best]
        return campaigns.ids[best]

    def pass_time(self) -> None:
        """End a moment: dearer where more was spent than was left for it, else cheaper."""
        came = self.curve[self.moment - 1] if self.moment else 0.0
        share = (self.curve[self.moment] - came) / max(1 - came, 1e-12)
        left_C = self.campaigns.budget_C - self.spent_before_C
        gap_C = (self.spent_C - self.spent_before_C) / np.maximum(share * left_C, 1e-12) - 1
        floor_C = self.config.floor * self.campaigns.value_C / self.campaigns.price_C
        moved_C = self.multiplier_C * np.exp(self.config.rate * np.clip(gap_C, -1, 1))
        self.multiplier_C = np.maximum(floor_C, moved_C)
        self.spent_before_C = self.spent_C.copy()
        self.moment = min(self.moment + 1, len(self.curve) - 1)
