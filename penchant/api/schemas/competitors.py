"""Models of the comparison with competitors."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from penchant.api_schemas import MAX_ID_LENGTH, Request, Response

MAX_ROWS = 1000


class CompetitorsQuery(Request):
    competitor: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="Name of the competitor, the first one if left out.",
    )
    k: int = Field(20, ge=1, le=MAX_ROWS, description="Maximum number of each list.")


class _Row(Response):
    """A row of a table of the comparison."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.model_fields})


class PriceIndex(_Row):
    """Their price of what we sell over ours, weighed by our pieces sold."""

    category: str | None = Field(description="First level of ours; null for all.")
    items: int
    cheaper: float = Field(description="Share of the items that they sell for less.")
    mean: float = Field(description="1 where prices are equal, below where theirs are lower.")
    low: float
    high: float


class MatchedItem(_Row):
    their_item_id: str
    their_title: str
    their_price: float | None
    item_id: str
    title: str
    price: float | None
    confidence: float


class AssortmentGap(_Row):
    """An item of theirs that we do not have."""

    item_id: str = Field(description="Their id.")
    title: str
    brand: str | None
    price: float | None
    category: str | None = Field(description="Our category of the nearest items.")
    interest: float = Field(description="Its share in the interests of our users.")
    score: float = Field(description="Interest times how little it is like what we have.")


class AspectDifference(_Row):
    """Mean sentiment of reviews that mention an aspect."""

    aspect: str
    language: str
    our_reviews: int
    their_reviews: int
    ours: float
    theirs: float
    difference: float = Field(description="Theirs less ours.")
    low: float
    high: float


class Competitors(Response):
    """The comparison with one competitor."""

    snapshot_id: str
    competitor: str
    known: list[str] = Field(description="All competitors.")
    items: int
    matched: int
    prices: list[PriceIndex]
    matches: list[MatchedItem]
    gaps: list[AssortmentGap]
    aspects: list[AspectDifference]
