"""What a day costs: CPU seconds of each stage for a shop whose days land one by one.

A year lands whole; then an ordinary day, a day without a file, a day with the late file of two
days before, and a day that corrects the ordinary one.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.growth_data import write_shop
from benchmarks.stages import run_stage
from penchant.errors import NothingToDo, PenchantError
from penchant.settings import Settings

TITLE = "The cost of a day"
SHARE = 0.15  # of the whole's CPU seconds, at most
STAGES = ("ingest", "build", "check", "materialize")


def measure(settings: Settings, *, events: int = 150_000) -> dict[str, Any]:
    """``events``: of the year."""
    with tempfile.TemporaryDirectory(prefix="penchant-days-") as folder:
        shop = Shop(Path(folder), events)
        days: list[tuple[str, Callable[[], None]]] = [
            ("whole", shop.land_history),
            ("ordinary", lambda: shop.land(-4)),
            ("empty", lambda: None),
            ("late file", shop.land_late),
            ("correction", shop.correct),
        ]
        found = {}
        for name, arrives in days:
            arrives()
            found[name] = _day(shop.environment)
            print(f"{name}: {found[name]}", flush=True)
    return {"events": events, "days": found}


def page(figures: dict[str, Any]) -> str:
    days: dict[str, dict[str, float]] = figures["days"]
    whole = sum(days["whole"].values())
    lines = [
        f"{figures['events']:,} events of a year, `files` source, CPU seconds.",
        "",
        f"| day | {' | '.join(STAGES)} | of the whole |",
        f"|---|{'---|' * len(STAGES)}---|",
    ]
    for name, stages in days.items():
        share = sum(stages.values()) / whole
        missed = " (missed)" if name != "whole" and share > SHARE else ""
        cells = " | ".join(f"{stages.get(stage, 0):.1f}" for stage in STAGES)
        lines.append(f"| {name} | {cells} | {share:.0%}{missed} |")
    return (
        "\n".join([*lines, "", f"Target: at most {SHARE:.0%} for each day after the whole."]) + "\n"
    )


class Shop:
    """A shop of the source `files` in a folder, and the home that it lands in."""

    def __init__(self, folder: Path, events: int) -> None:
        self.all, self.folder = folder / "all", folder / "shop"
        write_shop(self.all, events)
        self.folder.mkdir()
        for name in ("items.parquet", "mapping.yml"):
            (self.all / name).rename(self.folder / name)
        self.environment = {
            **os.environ,
            "PENCHANT_HOME": str(folder / "home"),
            "PENCHANT_SOURCE": "files",
            "PENCHANT_MAPPING": str(self.folder / "mapping.yml"),
        }

    def land_history(self) -> None:
        """All but the last four days."""
        self._write("history", f"day < {self._day(-4)}")

    def land(self, day: int) -> None:
        """``day``: -1 is the last one."""
        self._write(f"day{-day}", f"day = {self._day(day)}")

    def land_late(self) -> None:
        """A day together with the one before it."""
        for day in (-2, -3):
            self.land(day)

    def correct(self) -> None:
        """The ordinary day again under its name, without a tenth of its events."""
        self._write("day4", f"day = {self._day(-4)} and hash(event_id) % 10 > 0")

    def _day(self, day: int) -> str:
        events = f"read_parquet('{self.all}/events_*.parquet')"
        return f"(select max(event_at)::date + {day + 1} from {events})"

    def _write(self, name: str, condition: str) -> None:
        with duckdb.connect() as connection:
            connection.execute(
                f"copy (select * exclude (day) from (select *, event_at::date as day "
                f"from read_parquet('{self.all}/events_*.parquet')) where {condition}) "
                f"to '{self.folder}/events_{name}.parquet'"
            )


def _day(environment: dict[str, str]) -> dict[str, float]:
    """CPU seconds by stage. Without a landing there is nothing to do after `ingest`."""
    seconds: dict[str, float] = {}
    snapshot: list[str] = []
    for name in STAGES:
        stage, result = run_stage([name, *snapshot], environment)
        seconds[name] = stage.cpu_seconds
        if stage.exit_status == NothingToDo.exit_code:
            break
        if stage.failed:
            raise PenchantError(
                f"penchant {name} failed: {stage.failed}", "run it by hand in a home of its own"
            )
        if name == "build":
            snapshot = ["--snapshot", result["snapshot_id"]]
    return seconds
