"""What reviews are about and how favourable they are, as a section of a page. It quotes nobody."""

from penchant.insights.shown.plots import aspects_plot
from penchant.insights.shown.section import InsightSection
from penchant.insights.voice.published import published_voice
from penchant.settings import Settings


def voice_section(settings: Settings) -> InsightSection:
    """Raises NothingToDo until reviews are read."""
    published = published_voice(settings)
    record = published.record
    learned = (
        f"AUC {record.sentiment.auc['mean']:.3f} on {record.sentiment.users:,} other users"
        if record.sentiment
        else "too few reviews to learn it from, so ratings stand in"
    )
    return InsightSection(
        "voice",
        "Customer voice",
        f"How favourable {record.reviews:,} reviews of snapshot {record.snapshot_id} are about "
        f"what most of them mention. {record.copies:,} copies and {record.advertising:,} with "
        f"advertising are left out. Sentiment: {learned}.",
        aspects_plot(published.of_shop()),
        ["topic", "language", "share of reviews"],
        [
            [", ".join(each["words"]), each["language"], f"{each['share']:.0%}"]
            for each in published.topics
        ],
        frozenset({2}),
    )
