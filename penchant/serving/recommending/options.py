"""Options of a request for recommendations."""

import math
from dataclasses import dataclass

from penchant.errors import UsageError

MAX_EXCLUDED = 500  # items in one request
MAX_CATEGORY_LENGTH = 300  # characters


@dataclass(frozen=True)
class RecommendOptions:
    """``exclude_bought``: leave out items that the user ever bought. ``exclude``: items to leave
    out, such as those out of stock. ``category``: only items within this path, such as ``Grocery``
    or ``Grocery > Soup``. Prices are in the shop's currency, both ends included. ``diversity``:
    from 0 (best first) to 1 (dissimilar items). ``reasons``: explain items where possible.
    ``page_item``: the item of the page that shows them; it is left out, similar ones move up."""

    exclude_bought: bool = False
    exclude: tuple[str, ...] = ()
    category: str | None = None
    price_min: float | None = None
    price_max: float | None = None
    diversity: float = 0.0
    reasons: bool = False
    page_item: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for an invalid value."""
        if not 0 <= self.diversity <= 1:  # also for NaN
            raise UsageError(
                f"diversity: must be from 0 to 1, got {self.diversity}", "fix diversity"
            )
        for name, price in (("price_min", self.price_min), ("price_max", self.price_max)):
            if price is not None and not (math.isfinite(price) and price >= 0):
                raise UsageError(f"{name}: must be at least 0, got {price}", f"fix {name}")
        if None not in (self.price_min, self.price_max) and self.price_min > self.price_max:  # type: ignore[operator]
            raise UsageError(
                f"price_min: must be at most price_max {self.price_max}, got {self.price_min}",
                "lower price_min or raise price_max",
            )
        if len(self.exclude) > MAX_EXCLUDED:
            raise UsageError(
                f"exclude: has {len(self.exclude)} items, more than {MAX_EXCLUDED}",
                "filter by category, or remove items that are out of stock from the catalogue",
            )
        if self.category is not None and not 0 < len(self.category.strip()) <= MAX_CATEGORY_LENGTH:
            raise UsageError(
                f"category: must have 1 to {MAX_CATEGORY_LENGTH} characters",
                "pass a category path such as those of /v1/portrait",
            )

    @property
    def narrow(self) -> bool:
        """Whether a filter of category or price is set."""
        return self.category is not None or self.price_min is not None or self.price_max is not None


DEFAULT_OPTIONS = RecommendOptions()
