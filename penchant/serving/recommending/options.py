"""What a request for recommendations may ask for, beside for whom and how many."""

import math
from dataclasses import dataclass

from penchant.errors import UsageError

MOST_EXCLUDED = 500  # items named in one request
LONGEST_CATEGORY = 300  # characters


@dataclass(frozen=True)
class RecommendOptions:
    """``exclude_bought``: leave out what the user ever bought. ``exclude``: items to leave out,
    such as those out of stock. ``category``: only items within this path, such as ``Grocery`` or
    ``Grocery > Soup``. Prices are in the shop's currency, both ends included. ``diversity``: from
    0, the best first, to 1, each unlike those before it. ``reasons``: say why, where it holds."""

    exclude_bought: bool = False
    exclude: tuple[str, ...] = ()
    category: str | None = None
    price_min: float | None = None
    price_max: float | None = None
    diversity: float = 0.0
    reasons: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError for what can't be wished for."""
        if not 0 <= self.diversity <= 1:  # not of NaN either
            raise UsageError(f"diversity is {self.diversity}", "pass a diversity from 0 to 1")
        for name, price in (("price_min", self.price_min), ("price_max", self.price_max)):
            if price is not None and not (math.isfinite(price) and price >= 0):
                raise UsageError(f"{name} is {price}", f"pass a {name} of at least 0")
        if None not in (self.price_min, self.price_max) and self.price_min > self.price_max:  # type: ignore[operator]
            raise UsageError(
                f"price_min {self.price_min} is above price_max {self.price_max}",
                "pass a price_min that is at most price_max",
            )
        if len(self.exclude) > MOST_EXCLUDED:
            raise UsageError(
                f"exclude names {len(self.exclude)} items, more than {MOST_EXCLUDED}",
                "filter by category, or keep what is out of stock out of the shop's catalogue",
            )
        if self.category is not None and not 0 < len(self.category.strip()) <= LONGEST_CATEGORY:
            raise UsageError(
                f"the category is empty or longer than {LONGEST_CATEGORY} characters",
                "pass a category path such as those that /v1/portrait shows",
            )

    @property
    def narrow(self) -> bool:
        """Whether most items may be left out: then a ranked list may hold few that stay."""
        return self.category is not None or self.price_min is not None or self.price_max is not None


DEFAULT_OPTIONS = RecommendOptions()
