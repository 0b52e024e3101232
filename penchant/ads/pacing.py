"""Adaptive pacing: serving ads through a day with unknown traffic.

Each campaign has a multiplier, the price of its budget. An ad is worth value * probability -
multiplier * price; the ad with the greatest positive worth is shown, if its campaign has budget
left and the user's cap is not reached. After each period the multiplier is updated by the period's
spending against its share of the budget left: dual mirror descent with the entropy map (Balseiro,
Lu & Mirrokni 2020, "Dual Mirror Descent for Online Allocation Problems"; pacing by a multiplier is
Balseiro & Gur's, 2019). It starts from the price of the linear program of the day before.

Recommendations and ads share a user's attention.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from penchant.ads.campaigns import Campaigns, Floats
from penchant.errors import UsageError


@dataclass(frozen=True)
class PacingConfig:
    """``rate``: the step size of multipliers. ``floor``: the smallest multiplier, as a share of
    value / price. ``attention``: per user and day, in impressions; an ad takes ``ad_attention`` of
    it, a recommendation 1."""

    rate: float = 0.2
    floor: float = 0.01
    attention: int = 40
    ad_attention: int = 4


@dataclass
class Pacer:
    """One day. ``curve``: the cumulative share of the day's traffic at the end of each period,
    rising to 1."""

    campaigns: Campaigns
    config: PacingConfig
    curve: Floats
    multiplier_C: Floats
    spent_C: Floats
    spent_before_C: Floats
    period: int = 0
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    attention: Counter[str] = field(default_factory=Counter)

    @classmethod
    def starting(
        cls, campaigns: Campaigns, config: PacingConfig, curve: Floats, prices_C: Floats
    ) -> "Pacer":
        """The pacer at the start of a day. Raises UsageError for a curve that doesn't rise to 1."""
        if not len(curve) or (np.diff(curve, prepend=0.0) < 0).any() or abs(curve[-1] - 1) > 1e-9:
            raise UsageError("curve: must rise to 1", "pass cumulative shares of a day's traffic")
        nothing_C = np.zeros(len(campaigns.ids))
        floor_C = config.floor * campaigns.value_C / campaigns.price_C
        prices_C = np.maximum(floor_C, prices_C)
        return cls(campaigns, config, curve, prices_C, nothing_C, nothing_C.copy())

    def recommended(self, user_id: str, items: int) -> None:
        """Count recommendations shown to a user."""
        self.attention[user_id] += items

    def select(self, user_id: str, probability_C: Floats) -> str | None:
        """The ad to show now, or None; it is counted as shown."""
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

    def end_period(self) -> None:
        """End a period: raise multipliers of campaigns ahead of their share, lower the others."""
        came = self.curve[self.period - 1] if self.period else 0.0
        share = (self.curve[self.period] - came) / max(1 - came, 1e-12)
        left_C = self.campaigns.budget_C - self.spent_before_C
        gap_C = (self.spent_C - self.spent_before_C) / np.maximum(share * left_C, 1e-12) - 1
        floor_C = self.config.floor * self.campaigns.value_C / self.campaigns.price_C
        updated_C = self.multiplier_C * np.exp(self.config.rate * np.clip(gap_C, -1, 1))
        self.multiplier_C = np.maximum(floor_C, updated_C)
        self.spent_before_C = self.spent_C.copy()
        self.period = min(self.period + 1, len(self.curve) - 1)
