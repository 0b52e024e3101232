"""Held-out categories and types of items, found again from words and from who buys them."""

from pathlib import Path
from typing import Any

from benchmarks.isolated import apart
from penchant.artifacts import Snapshot
from penchant.settings import Settings

TITLE = "Tags proposed for items"
WAYS = ("both", "words", "users", "most common")
MEASURES = ("precision@1", "found in 3")
NAMES = {"category_1": "category", "category_3": "type"}


def measure(settings: Settings) -> dict[str, Any]:
    snapshot = Snapshot.live(settings)
    done = apart("tags:on_snapshot", home=str(settings.home), snapshot_id=snapshot.id)
    return {**done.value, "sources": snapshot.description.sources}


def on_snapshot(home: str, snapshot_id: str) -> dict[str, Any]:
    import json

    from training.commands.train import train

    settings = Settings().model_copy(update={"home": Path(home)})
    run = settings.runs / snapshot_id / train(settings, snapshot_id, "content").run_id
    record: dict[str, Any] = json.loads((run / "run.json").read_text())["tasks"]["tags"]
    return record


def page(figures: dict[str, Any]) -> str:
    if "missing" in figures:
        return f"Not measured: {figures['missing']}."
    lines = [
        "| tag | words | proposed by | precision@1 | among the first 3 |",
        "|---|---|---|---|---|",
    ]
    for level, found in figures["levels"].items():
        for setting in ("as they are", "names hidden"):
            for way in WAYS:
                measures = [_interval(found[setting][way][each]) for each in MEASURES]
                lines.append(f"| {NAMES[level]} | {setting} | {way} | {' | '.join(measures)} |")
    counts = ", ".join(
        f"{one['tags']:,} of {NAMES[level]}" for level, one in figures["levels"].items()
    )
    items = next(iter(figures["levels"].values()))["items"]
    return "\n\n".join(
        [
            f"{', '.join(figures['sources'])}: tags {counts}; {items} held-out items evaluated.",
            INTRODUCTION,
            "\n".join(lines),
        ]
    )


INTRODUCTION = """Items that have been bought lose their tags; the 30 items nearest in words (title
and description, never the category columns) and the 30 nearest in who buys them vote. Their weight
is chosen on other held-out items. With *names hidden* an item's own categories are taken out of its
title and description, which here are made of them."""


def _interval(one: dict[str, float]) -> str:
    return f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
