"""First buyers of new items among the best users, against the mailing list of the category."""

import time
from typing import Any

from benchmarks.insights.homes import homes_of
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.artifacts.audience import AudienceRecord
from penchant.errors import NothingToDo
from penchant.insights.audience.stage import audiences
from penchant.settings import Settings

TITLE = "Launch audience"


def measure(settings: Settings, *, homes: str = "") -> dict[str, Any]:
    """``homes``: other homes with a live snapshot, comma-separated."""
    return {name: _of_home(each) for name, each in homes_of(settings, homes)}


def _of_home(settings: Settings) -> dict[str, Any]:
    started = time.process_time()
    try:
        record, _ = audiences(settings, Snapshot.live(settings))
    except NothingToDo as error:
        return {"missing": error.cause}
    return {"cpu_seconds": time.process_time() - started, "record": record.as_dict()}


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join(_page_of(name, figures[name]) for name in sorted(figures))


def _page_of(source: str, figures: dict[str, Any]) -> str:
    if "missing" in figures:
        return f"**{source}**: not measured: {figures['missing']}."
    record = AudienceRecord.model_validate(figures["record"])
    difference = record.difference
    return "\n\n".join(
        [
            f"**{source}**: {record.tested_launches} items first sold in the 28 days after "
            f"{record.tested_at:%Y-%m-%d}, with {record.tested_buyers} first buyers among "
            f"{record.users:,} users; learned from {record.launches - record.tested_launches} "
            f"earlier launches; {figures['cpu_seconds']:.0f} CPU seconds. The order in bold was "
            "selected on three earlier windows. Less category purchases, by item: recall@100 "
            f"{interval(difference.recall_100, 3, '+')}, recall@500 "
            f"{interval(difference.recall_500, 3, '+')}. Where items have no category, activity is "
            "the order to compare with.",
            grid(
                ["order of users", "first buyers among the best 100", "among the best 500"],
                [
                    [
                        f"**{name}**" if name == record.method else name,
                        interval(each.recall_100, 3),
                        interval(each.recall_500, 3),
                    ]
                    for name, each in record.quality.items()
                ],
            ),
        ]
    )
