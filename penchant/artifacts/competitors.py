"""Competitors' catalogues and reviews against ours."""

from penchant.artifacts.insight import InsightRecord
from penchant.artifacts.record import Interval, Part

MATCHES, PRICES, GAPS, ASPECTS = (
    "matches.parquet",
    "prices.parquet",
    "gaps.parquet",
    "aspects.parquet",
)


class CompetitorSummary(Part):
    """``matched``: items that are one of ours with at least the least confidence. ``price_index``:
    their price of what we sell, over ours; None without a matched item that has both prices.
    ``cheaper``: share of the matched items that they sell for less."""

    competitor: str
    items: int
    matched: int
    priced: int
    price_index: Interval | None
    cheaper: float | None
    gaps: int
    reviews: int
    aspects: int


class CompetitorsRecord(InsightRecord):
    """``competitors.json``; the tables of matches, prices by category, gaps and aspects are beside
    it. ``least_confidence``: of a match that counts."""

    KIND, COMMAND, CONTENT = "competitors", "compare-competitors", "comparison is"
    REMEDY = "run `penchant compare-competitors` again"

    snapshot_id: str
    least_confidence: float
    competitors: tuple[CompetitorSummary, ...]
