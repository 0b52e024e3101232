"""Search: the rank of items that users bought, by words of their titles; and speed beside FTS5.

SQLite's FTS5, the usual index of a small shop, ranks by its own BM25 and corrects nothing. Both
give the best 200 of 100,000 items, whose titles are those of the live snapshot with a word more.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.insights.homes import homes_of
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.artifacts.search import SearchRecord
from penchant.insights.search.index import SearchIndex, write_index
from penchant.insights.search.published import PublishedSearch
from penchant.insights.search.ranking import CANDIDATES, Searcher
from penchant.insights.search.stage import build_index
from penchant.settings import Settings
from penchant.words import words

TITLE = "Search"
ITEMS, QUERIES, EXTRA_WORDS, TARGET_MS = 100_000, 1000, 20_000, 50.0
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def measure(settings: Settings, *, homes: str = "") -> dict[str, Any]:
    """``homes``: other homes with a live snapshot, comma-separated; speed is of the settings'."""
    found: dict[str, Any] = {}
    for name, each in homes_of(settings, homes):
        with tempfile.TemporaryDirectory() as folder:
            started = time.process_time()
            record = build_index(each, Snapshot.live(each), Path(folder))
            seconds = time.process_time() - started
            record.write(Path(folder) / "search.json")
            found[name] = {"record": record.as_dict(), "cpu_seconds": seconds}
            if each.home == settings.home:
                found["speed"] = _speed(PublishedSearch(Path(folder)))
    return found


def _speed(published: PublishedSearch) -> dict[str, Any]:
    random = np.random.default_rng(0)
    titles = [str(title) for title in random.choice(published.titles, ITEMS)]
    titles = [f"{title} w{random.integers(EXTRA_WORDS):05}" for title in titles]
    queries = [query_of(titles[at], random) for at in random.integers(0, ITEMS, QUERIES)]
    kinds: dict[str, list[str]] = {
        "words of a title": [f"{query} " for query in queries],
        "a word's beginning": [query[: max(2, len(query) - 2)] for query in queries],
        "a typing error": [f"{mistyped(query, random)} " for query in queries],
    }
    searcher = Searcher(dict.fromkeys(published.some_paths(12), 0.1), frozenset(titles[:300]))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        write_index(Path(folder), {"title": titles, **_empty(ITEMS)})
        index, built = SearchIndex.open(Path(folder), ITEMS), time.process_time() - started
        fts, fts_built = _fts(titles)
        for kind, texts in kinds.items():
            rows.append(_timed(f"ours: {kind}", texts, lambda q: index.search(q, CANDIDATES)))
            if kind != "a typing error":
                rows.append(_timed(f"FTS5: {kind}", texts, lambda q: _ask(fts, q)))
    rows.append(
        _timed(
            "ours, re-ranked for a user, on the live catalogue",
            kinds["words of a title"],
            lambda query: published.search(query, 10, searcher),
        )
    )
    return {"rows": rows, "built": built, "fts_built": fts_built}


def page(figures: dict[str, Any]) -> str:
    parts = [_quality(name, figures[name]) for name in sorted(figures) if name != "speed"]
    if "speed" in figures:
        speed = figures["speed"]
        parts += [
            f"Milliseconds of a query on {ITEMS:,} items, one after the other in one process; "
            f"target p99 at most {TARGET_MS:.0f} ms. Built in {speed['built']:.0f} CPU seconds, "
            f"FTS5 in {speed['fts_built']:.0f}.",
            grid(
                ["queries", "p50", "p99", "without a result"],
                [
                    [
                        row["what"],
                        f"{row['p50']:.2f}",
                        f"{row['p99']:.2f}{'' if row['p99'] <= TARGET_MS else ', missed'}",
                        f"{row['empty']:.1%}",
                    ]
                    for row in speed["rows"]
                ],
            ),
        ]
    return "\n\n".join(parts)


def _quality(source: str, figures: dict[str, Any]) -> str:
    record = SearchRecord.model_validate(figures["record"])
    head = f"**{source}**: {record.items:,} items, {record.words:,} words, "
    if not record.quality:
        return f"{head}too few purchases to evaluate on."
    weights = ", ".join(f"{name} {weight:g}" for name, weight in record.weights.items())
    return "\n\n".join(
        [
            f"{head}{record.queries} queries of one or two words of the titles of items that users "
            f"bought in the 28 days after {record.tested_at:%Y-%m-%d}. Selected weights beside the "
            f"text's 1: {weights}.",
            grid(
                ["order", "mean reciprocal rank", "among the best ten"],
                [
                    [name, interval(each.mrr, 3), f"{each.recall:.1%}"]
                    for name, each in record.quality.items()
                ],
            ),
        ]
    )


def _timed(what: str, queries: list[str], ask: Callable[[str], Any]) -> dict[str, Any]:
    seconds, empty = [], 0
    for query in queries:
        started = time.perf_counter()
        found = ask(query)
        seconds.append(time.perf_counter() - started)
        items = getattr(found, "items_N", getattr(found, "items", found))
        empty += not len(items)
    p50, p99 = 1000 * np.quantile(seconds, [0.5, 0.99])
    return {"what": what, "p50": p50, "p99": p99, "empty": empty / len(queries)}


def query_of(title: str, random: np.random.Generator) -> str:
    """One or two words of a title."""
    of_title = words(title)
    return " ".join(random.choice(of_title, min(2, len(of_title)), replace=False))


def mistyped(query: str, random: np.random.Generator) -> str:
    """One letter of the longest word is replaced."""
    longest = max(query.split(), key=len)
    at = int(random.integers(len(longest)))
    wrong = longest[:at] + LETTERS[random.integers(26)] + longest[at + 1 :]
    return query.replace(longest, wrong, 1)


def _empty(items: int) -> dict[str, list[None]]:
    return {field: [None] * items for field in ("brand", "category", "description")}


def _fts(titles: list[str]) -> tuple[sqlite3.Connection, float]:
    started = time.process_time()
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE texts USING fts5(title, prefix='2 3')")
    rows = [(" ".join(words(title)),) for title in titles]
    connection.executemany("INSERT INTO texts VALUES (?)", rows)
    return connection, time.process_time() - started


def _ask(connection: sqlite3.Connection, query: str) -> list[Any]:
    """All words; the last one is a prefix unless a space follows."""
    asked = [f'"{word}"' for word in words(query)]
    if not query.endswith(" "):
        asked[-1] += "*"
    return connection.execute(
        "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?",
        (" ".join(asked), CANDIDATES),
    ).fetchall()
