"""What customers say in the reviews of a snapshot."""

from typing import Literal

from penchant.artifacts.insight import InsightRecord
from penchant.artifacts.record import Interval, Part

REVIEWS, ASPECTS, TOPICS = "reviews.parquet", "aspects.parquet", "topics.parquet"
PASSAGES, POSTINGS = "passages.parquet", "postings.parquet"


class Accuracy(Part):
    """``majority``: accuracy of calling every review of a language what most of its training
    reviews are; ``gain``: accuracy less that, by review."""

    reviews: int
    accuracy: Interval
    majority: Interval
    gain: Interval


class SentimentQuality(Accuracy):
    """On reviews of users that nothing was learned from."""

    users: int
    auc: Interval
    by_language: dict[str, Accuracy]


class Coherence(Part):
    """Mean normalized pointwise mutual information of topics' words, and of as many random ones."""

    topics: int
    npmi: Interval
    random_npmi: Interval


class TopicQuality(Coherence):
    """In reviews of users that the topics were not learned from."""

    by_language: dict[str, Coherence]


class Recall(Part):
    """The share of questions with a passage about the same item among the best ten of all
    passages; ``random``: among ten random ones."""

    questions: int
    recall: Interval
    random: Interval


class AnswerQuality(Recall):
    """Of questions made of held-out reviews."""

    by_language: dict[str, Recall]


class QuestionQuality(Part):
    """Of customers' questions: ``without_answer`` of the shop. ``answerable``: of those about an
    item, the share of which its reviews or description have a word."""

    questions: int
    without_answer: int
    answerable: Interval


class VoiceRecord(InsightRecord):
    """``voice.json``; its tables are beside it.

    ``without_text`` reviews were left out, ``copies`` and ``advertising`` are marked and count
    nowhere. ``languages``: reviews by ISO 639-1 code, ``und`` where unknown. ``scored_by``:
    ``text``, or ``rating`` where too few reviews of a class were there to learn from.
    """

    FORMAT = 2
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
    questions: QuestionQuality | None
