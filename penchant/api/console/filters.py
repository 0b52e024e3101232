"""What a person filters recommendations by: a form's fields, which may be empty or wrong."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from penchant.errors import UsageError
from penchant.serving.recommending.options import LONGEST_CATEGORY, RecommendOptions

Number = Annotated[str, Query(max_length=20)]


@dataclass(frozen=True)
class Filters:
    """The fields as they were sent."""

    category: Annotated[str, Query(max_length=LONGEST_CATEGORY)] = ""
    price_min: Number = ""
    price_max: Number = ""
    diversity: Number = ""
    exclude_bought: bool = False

    def options(self) -> RecommendOptions:
        """With the reasons, which people want. Raises UsageError for what can't be wished for."""
        return RecommendOptions(
            exclude_bought=self.exclude_bought,
            category=self.category.strip() or None,
            price_min=_number("the lowest price", self.price_min),
            price_max=_number("the highest price", self.price_max),
            diversity=_number("diversity", self.diversity) or 0.0,
            reasons=True,
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
        raise UsageError(f"{name} is {text!r}", "write a number, such as 2.50") from None
