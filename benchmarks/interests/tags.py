"""Held-out categories and types of items, predicted from words and from who buys the items."""

import json
from pathlib import Path
from typing import Any

from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.commands.train import train

TITLE = "Tags proposed for items"
METHODS = ("both", "words", "users", "most common")
METRICS = ("precision@1", "found in 3")
NAMES = {"category_1": "category", "category_3": "type"}
INTRODUCTION = """Items that have been bought lose their tags; the 30 items nearest in words (title
and description, never the category columns) and the 30 nearest in who buys them predict them. The
weight of each group is tuned on other held-out items. With *names hidden* an item's own categories
are removed from its title and description, which contain them here."""


def measure(settings: Settings) -> dict[str, Any]:
    snapshot = Snapshot.live(settings)
    place = {"home": str(settings.home), "snapshot_id": snapshot.id}
    done = isolated("interests.tags:on_snapshot", **place)
    return {**done.value, "sources": snapshot.description.sources}


def on_snapshot(home: str, snapshot_id: str) -> dict[str, Any]:
    settings = Settings().model_copy(update={"home": Path(home)})
    run = settings.runs / snapshot_id / train(settings, snapshot_id, "content").run_id
    record: dict[str, Any] = json.loads((run / "run.json").read_text())["tasks"]["tags"]
    return record


def page(figures: dict[str, Any]) -> str:
    if "missing" in figures:
        return f"Not measured: {figures['missing']}."
    levels = figures["levels"]
    rows = [
        [NAMES[level], words, method, *(interval(found[words][method][one], 3) for one in METRICS)]
        for level, found in levels.items()
        for words in ("as they are", "names hidden")
        for method in METHODS
    ]
    counts = ", ".join(f"{one['tags']:,} of {NAMES[level]}" for level, one in levels.items())
    items = next(iter(levels.values()))["items"]
    return "\n\n".join(
        [
            f"{', '.join(figures['sources'])}: tags {counts}; {items} held-out items evaluated.",
            INTRODUCTION,
            grid(["tag", "words", "proposed by", "precision@1", "in the first 3"], rows),
        ]
    )
