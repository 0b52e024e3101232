"""A user's portrait: features of the mart ``user_portrait`` and the release's segment."""

from dataclasses import asdict, dataclass
from typing import Any

from penchant.errors import UnknownId
from penchant.feast_sdk import FeatureStore

VIEW = "user_portrait"
STEADY = 0.1  # a smaller relative trend is shown as steady
BAR = 24  # characters of the longest bar

_ALIGNED = (
    "interests",
    "interest_weights",
    "interest_lows",
    "interest_highs",
    "interest_half_lives",
    "interest_trends",
    "interest_evidence",
)
"""Arrays of one length, in the order of the fields of ``Interest``."""

_FACTS = (
    *_ALIGNED,
    "evidence",
    "price_band",
    "brand_loyalty",
    "lifecycle_stage",
)

FEATURES = [f"{VIEW}:{fact}" for fact in _FACTS]


@dataclass(frozen=True)
class Interest:
    """The expected share of a user's events in a category, with its 90 % interval.

    ``evidence``: weighted events in the category; 0 where the weight is the shop's prior alone.
    ``transferred``: the share of the weight that comes from other categories by transfer.
    """

    category: str
    weight: float
    low: float
    high: float
    half_life_days: float
    trend: float
    evidence: float
    transferred: float

    @property
    def arrow(self) -> str:
        if abs(self.trend) < STEADY * self.weight:
            return "→"
        return "↑" if self.trend > 0 else "↓"


@dataclass(frozen=True)
class Portrait:
    """Interests, greatest first. ``segment`` is None where popularity serves, which has no vectors,
    and for a user without a vector."""

    user_id: str
    release_id: str
    snapshot_id: str
    lifecycle_stage: str
    price_band: str | None
    brand_loyalty: float | None
    segment: str | None
    evidence: float
    interests: tuple[Interest, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def render(self) -> str:
        """Lines for a terminal."""
        loyalty = "unknown" if self.brand_loyalty is None else f"{self.brand_loyalty:.0%}"
        lines = [
            f"{self.user_id}: {self.lifecycle_stage}, segment {self.segment or 'none'} "
            f"(release {self.release_id})",
            f"price band {self.price_band or 'unknown'}; stays with a brand {loyalty}; "
            f"based on {self.evidence:,.0f} actions",
        ]
        if not self.interests:
            return "\n".join([*lines, "no interests yet: nothing was viewed or bought"])
        greatest, width = self.interests[0].weight, max(len(i.category) for i in self.interests)
        for each in self.interests:
            bar = "█" * max(1, round(BAR * each.weight / greatest))
            interval = f"({each.low:.1%} to {each.high:.1%})"
            lines.append(
                f"  {each.category:<{width}} {each.weight:>6.1%}  {interval:<18} {each.arrow} "
                f"half-life {each.half_life_days:>4.0f} d  {bar}"
                f"{'' if each.evidence else ' (average of all users)'}"
            )
        lines += [
            f"  {each.transferred:.0%} of {each.category} by transfer"
            for each in self.interests
            if each.transferred
        ]
        return "\n".join(lines)


def portrait(
    features: FeatureStore,
    release_id: str,
    snapshot_id: str,
    user_id: str,
    segment: dict[str, Any] | None,
) -> Portrait:
    """The portrait of a user. ``segment``: the row of ``user_segments``, where there is one.

    Raises UnknownId for an unknown user.
    """
    online = features.get_online_features(
        features=FEATURES, entity_rows=[{"user_id": user_id}]
    ).to_dict()
    facts = {fact: online[fact][0] for fact in _FACTS}
    if facts["lifecycle_stage"] is None:
        raise UnknownId(
            f"unknown user {user_id!r} in snapshot {snapshot_id}",
            "pass the user_id of the source, such as the ids that `penchant report` shows",
        )
    transferred_shares: dict[str, float] = {}
    if segment and segment["transferred"]:
        transferred_shares = dict(
            zip(segment["transferred"], segment["transferred_shares"], strict=True)
        )
    rows = zip(*(facts[column] or () for column in _ALIGNED), strict=True)
    return Portrait(
        user_id,
        release_id,
        snapshot_id,
        facts["lifecycle_stage"],
        facts["price_band"],
        facts["brand_loyalty"],
        segment["segment"] if segment else None,
        facts["evidence"],
        tuple(Interest(*(*row, _transferred(row[0], transferred_shares))) for row in rows),
    )


def _transferred(category: str, transferred_shares: dict[str, float]) -> float:
    """The share of the category's path, else of its longest prefix that has one."""
    parts = category.split(" > ")
    prefixes = (" > ".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(
        (transferred_shares[prefix] for prefix in prefixes if prefix in transferred_shares), 0.0
    )
