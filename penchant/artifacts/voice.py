"""What customers say in the reviews of a snapshot."""

from typing import Literal

from penchant.artifacts.insight import InsightRecord
from penchant.artifacts.record import Interval, Part

REVIEWS, ASPECTS, TOPICS = "reviews.parquet", "aspects.parquet", "topics.parquet"
PASSAGES, POSTINGS = "passages.parquet", "postings.parquet"


class SentimentQuality(Part):
    """On reviews of users that nothing was learned from. ``majority``: accuracy of calling every
    review what most training reviews are; ``gain``: accuracy less that, by review."""

    reviews: int
    users: int
    accuracy: Interval
    majority: Interval
    gain: Interval
    auc: Interval
    accuracy_by_language: dict[str, float]


class TopicQuality(Part):
    """Mean normalized pointwise mutual information of topics' words, and of as many random ones, in
    reviews of users that the topics were not learned from."""

    topics: int
    npmi: Interval
    random_npmi: Interval


class AnswerQuality(Part):
    """Of questions made of held-out reviews: the share with a passage about the same item among
    the best ten of all passages; ``random``: among ten random ones."""

    questions: int
    recall: Interval
    random: Interval


class VoiceRecord(InsightRecord):
    """``voice.json``; its tables are beside it.

    ``without_text`` reviews were left out, ``copies`` and ``advertising`` are marked and count
    nowhere. ``languages``: reviews by ISO 639-1 code, ``und`` where unknown. ``scored_by``:
    ``text``, or ``rating`` where too few reviews of a class were there to learn from.
    """

    KIND, COMMAND, CONTENT = "voice", "read-reviews", "customer voice is"
    REMEDY = "run `penchant read-reviews` again"

    snapshot_id: str
    reviews: int
    without_text: int
    copies: int
    advertising: int
    languages: dict[str, int]
    scored_by: Literal["text", "rating"]
    aspects: int
    topics: int
    passages: int
    sentiment: SentimentQuality | None
    coherence: TopicQuality | None
    answers: AnswerQuality | None
