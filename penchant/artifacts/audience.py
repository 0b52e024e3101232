"""The launch audiences of a snapshot."""

from penchant.artifacts.insight import InsightRecord
from penchant.artifacts.record import Interval, Moment, Part

AUDIENCES = "audiences.parquet"


class AudienceQuality(Part):
    """Mean share of an item's first buyers that is among the best 100 and 500 users."""

    recall_100: Interval
    recall_500: Interval


class AudienceRecord(InsightRecord):
    """``audience.json``; ``audiences.parquet`` beside it has the best users of each new item.

    ``method`` ranks: ``learned``, a weighted sum of features, or ``category purchases``, whichever
    found more first buyers on earlier windows. ``quality`` is of the items first sold in the 28
    days after ``tested_at``; ``difference``: recall of the selected method less that of category
    purchases.
    """

    KIND, COMMAND, CONTENT = "audience", "rank-audiences", "launch audiences are"
    REMEDY = "run `penchant rank-audiences` again"

    snapshot_id: str
    users: int
    items: int
    launches: int
    method: str
    weights: dict[str, float]
    tested_at: Moment
    tested_launches: int
    tested_buyers: int
    quality: dict[str, AudienceQuality]
    difference: AudienceQuality
