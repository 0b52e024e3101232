"""Recommendation filters as fields of a form, which may be empty or invalid."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from penchant.api_schemas import MAX_CATEGORY_LENGTH
from penchant.errors import UsageError
from penchant.serving.recommending.options import RecommendOptions

Number = Annotated[str, Query(max_length=20)]


@dataclass(frozen=True)
class Filters:
    category: Annotated[str, Query(max_length=MAX_CATEGORY_LENGTH)] = ""
    price_min: Number = ""
    price_max: Number = ""
    diversity: Number = ""
    exclude_bought: bool = False

    def options(self, reasons: bool) -> RecommendOptions:
        """Raises UsageError for invalid values."""
        return RecommendOptions(
            exclude_bought=self.exclude_bought,
            category=self.category.strip() or None,
            price_min=_number("the lowest price", self.price_min),
            price_max=_number("the highest price", self.price_max),
            diversity=_number("diversity", self.diversity) or 0.0,
            reasons=reasons,
        )

    @property
    def any(self) -> bool:
        return self != Filters()


def _number(name: str, text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"{name} must be a number, got {text!r}", "write a number, such as 2.50"
        ) from None
