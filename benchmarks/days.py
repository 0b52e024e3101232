"""What a day costs: CPU seconds of each stage for a shop whose days land one by one.

A year lands whole; then the first day after it, for which dbt compiles the project once more, an
ordinary day, a day without a file, a day with the late file of the day before, and a day that
corrects the ordinary one. The shop is Complete Journey by the dates of its
transactions, or a synthetic one of its size where the package is not installed.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.growth_data import write_shop
from benchmarks.stages import run_stage
from penchant.errors import NothingToDo, PenchantError
from penchant.ingestion.sources import complete_journey
from penchant.settings import Settings

TITLE = "Kinds of days"
SHARE = 0.15  # of the whole's CPU seconds, at most
STAGES = ("ingest", "build", "check", "materialize")
SLOWEST = 6  # models that the page names
EXPLANATION = """The first day after a full build has dbt compile the project once more. After a
correction users and items lack rows that they had, so that their feature views are written whole.
Once a week `check` validates all rows with Great Expectations, which is not in the table. The disk
is that of the home after `penchant prune`, which keeps three snapshots with their online stores;
their marts share the files of months in which nothing changed.

What is left of an ordinary day: the start of three processes and their imports (of `materialize`
mostly Feast's), `int_events`, which reads all landed events, `sequences`, which is written whole,
and the views of features that expire, which are written whole too."""
ORDER = ("whole", "first", "ordinary", "empty", "late file", "correction")
SYNTHETIC = 1_469_307  # as many events as Complete Journey


def measure(settings: Settings, *, events: int = 0) -> dict[str, Any]:
    """``events``: of a synthetic year; 0 for Complete Journey."""
    with tempfile.TemporaryDirectory(prefix="penchant-days-") as folder:
        shop = shop_of(Path(folder), events)
        days: list[tuple[str, Callable[[], None]]] = [
            ("whole", shop.land_history),
            ("first", lambda: shop.land(-5)),
            ("ordinary", lambda: shop.land(-4)),
            ("empty", lambda: None),
            ("late file", shop.land_late),
            ("correction", shop.correct),
        ]
        found: dict[str, dict[str, float]] = {}
        models: dict[str, float] = {}
        for name, arrives in days:
            arrives()
            found[name] = run_day(shop.environment)
            run_stage(["prune"], shop.environment)
            found[name]["disk_mb"] = disk_mb(Path(shop.environment["PENCHANT_HOME"]))
            print(f"{name}: {found[name]}", flush=True)
            if name == "ordinary":
                models = slowest_models(Path(shop.environment["PENCHANT_HOME"]))
        return {"shop": shop.name, "events": shop.rows(), "days": found, "models": models}


def page(figures: dict[str, Any]) -> str:
    days: dict[str, dict[str, float]] = figures["days"]
    whole = share_of(days["whole"])
    lines = [
        f"{figures['shop']}: {figures['events']:,} events of a year, CPU seconds.",
        "",
        f"| day | {' | '.join(STAGES)} | of the whole | disk, MB |",
        f"|---|{'---|' * len(STAGES)}---|---|",
    ]
    for name, stages in sorted(days.items(), key=lambda day: ORDER.index(day[0])):
        share = share_of(stages) / whole
        missed = " (missed)" if name != "whole" and share > SHARE else ""
        cells = " | ".join(f"{stages.get(stage, 0):.1f}" for stage in STAGES)
        lines.append(f"| {name} | {cells} | {share:.0%}{missed} | {stages['disk_mb']:.0f} |")
    models = sorted(figures["models"].items(), key=lambda one: -one[1])
    slowest = ", ".join(f"`{name}` {seconds:.1f}" for name, seconds in models)
    lines += ["", f"Target: at most {SHARE:.0%} for each day after the whole.", "", EXPLANATION]
    return "\n".join(
        [*lines, "", f"Slowest models of the ordinary day, in seconds: {slowest}.", ""]
    )


def slowest_models(home: Path) -> dict[str, float]:
    """Name -> seconds in the last build."""
    built = max(home.glob("snapshots/s-*/run_results.json"), key=lambda path: path.stat().st_mtime)
    results = json.loads(built.read_text())["results"]
    slowest = sorted(results, key=lambda one: -one["execution_time"])[:SLOWEST]
    return {one["unique_id"].split(".")[-1]: round(one["execution_time"], 1) for one in slowest}


def share_of(stages: dict[str, float]) -> float:
    """CPU seconds of the stages that the target is about: all but `ingest`."""
    return sum(stages.get(name, 0) for name in STAGES if name != "ingest")


def disk_mb(home: Path) -> float:
    """Megabytes of a home; a file that several snapshots share counts once."""
    found = (path.stat() for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    return round(sum({each.st_ino: each.st_size for each in found}.values()) / 1e6, 1)


@dataclass(frozen=True)
class Shop:
    """A shop whose events lie in ``every_event`` and land in ``folder`` as files ``name_*``."""

    name: str
    folder: Path
    every_event: str
    file_name: str
    time: str
    environment: dict[str, str]

    def rows(self) -> int:
        (count,) = duckdb.sql(f"select count(*) from '{self.every_event}'").fetchall()[0]
        return int(count)

    def land_history(self) -> None:
        """All but the last five days."""
        self._write(self.file_name, f"day < {self._day(-5)}")

    def land(self, day: int) -> None:
        """``day``: -1 is the last one."""
        self._write(f"{self.file_name}_day{-day}", f"day = {self._day(day)}")

    def land_late(self) -> None:
        """A day together with the one before it."""
        for day in (-2, -3):
            self.land(day)

    def correct(self) -> None:
        """The ordinary day again under its name, without a tenth of its events."""
        condition = f"day = {self._day(-4)} and hash(row_number) % 10 > 0"
        self._write(f"{self.file_name}_day4", condition)

    def _day(self, day: int) -> str:
        return f"(select max({self.time})::date + {day + 1} from '{self.every_event}')"

    def _write(self, name: str, condition: str) -> None:
        with duckdb.connect() as connection:
            connection.execute(
                f"copy (select * exclude (day, row_number) from (select *, {self.time}::date as "
                f"day, row_number() over () as row_number from '{self.every_event}') "
                f"where {condition}) to '{self.folder}/{name}.parquet'"
            )


def shop_of(folder: Path, events: int) -> Shop:
    """Complete Journey, or a synthetic shop of ``events``, with what is not an event in place."""
    shop, everything = folder / "shop", folder / "all"
    shop.mkdir()
    environment = {**os.environ, "PENCHANT_HOME": str(folder / "home")}
    package = find_spec(complete_journey.PACKAGE)
    if not events and package and package.submodule_search_locations:
        published = Path(package.submodule_search_locations[0]) / "data"
        for contract in complete_journey.CONTRACTS:
            if contract.table != "transactions":
                shutil.copy(published / f"{contract.table}.parquet", shop)
        environment |= {"PENCHANT_SOURCE": complete_journey.NAME, "PENCHANT_SOURCE_PATH": str(shop)}
        transactions = str(published / "transactions.parquet")
        time = "transaction_timestamp"
        return Shop("Complete Journey", shop, transactions, "transactions", time, environment)
    write_shop(everything, events or SYNTHETIC)
    for name in ("items.parquet", "mapping.yml"):
        (everything / name).rename(shop / name)
    environment |= {"PENCHANT_SOURCE": "files", "PENCHANT_MAPPING": str(shop / "mapping.yml")}
    events_of_all = f"{everything}/events_*.parquet"
    return Shop("A synthetic shop", shop, events_of_all, "events_history", "event_at", environment)


def run_day(environment: dict[str, str], stages: Sequence[str] = STAGES) -> dict[str, float]:
    """CPU seconds by stage. Without a landing there is nothing to do after `ingest`."""
    seconds: dict[str, float] = {}
    snapshot: list[str] = []
    for name in stages:
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
