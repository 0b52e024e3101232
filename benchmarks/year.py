"""A year that lands day by day: CPU seconds of each landing and of the builds between them.

Every file lands by a command of its own. `build`, `check` and `materialize` run after ``every``
landings, on the latest state: an asset event is a wake-up (ADR 27), so all that lands while they
run is one build. On the way a file comes late, a day has none, a file is corrected, one lacks a
column until it is sent again, and a build is killed. At the end the same landing is built in a home
of its own from nothing, and the marts of both are compared.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.days import STAGES, Shop, run_day, share_of, shop_of
from benchmarks.processes import ROOT
from benchmarks.servers import BIN
from benchmarks.stages import run_stage
from penchant.artifacts import Snapshot
from penchant.errors import NothingToDo, PenchantError
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX

TITLE = "A year, day by day"
MOST = 6.0  # times the CPU seconds of one full build
EVERY = 28
LATE, EMPTY, CORRECTED, BROKEN, KILLED = 80, 150, 200, 240, 260
"""Days with a mishap. The late file comes three days later, the correction too, and the one of the
broken file on the next day."""
AFTER = 3


def measure(settings: Settings, *, events: int = 0, every: int = EVERY) -> dict[str, Any]:
    """``events``: of a synthetic year; 0 for Complete Journey. ``every``: landings a build."""
    with tempfile.TemporaryDirectory(prefix="penchant-year-") as folder:
        shop = shop_of(Path(folder), events)
        files = split_by_day(shop, Path(folder) / "days")
        builds: list[dict[str, Any]] = []
        landing = killed = 0.0
        for number in range(1, len(files) + 1):
            if number == KILLED:
                killed = kill_a_build(shop.environment)
                print(f"killed build: {killed}", flush=True)
                landing += killed
            for file in arrivals(files, number):
                landing += land(shop, file)
            if number % every == 0 or number == len(files):
                stages = run_day(shop.environment, STAGES[1:])
                builds.append({"day": number, **stages, "ingest": round(landing, 1)})
                print(builds[-1], flush=True)
                landing = 0.0
        whole, equal = compare(shop, Path(folder) / "whole")
        return {
            "shop": shop.name,
            "days": len(files),
            "every": every,
            "builds": builds,
            "killed": killed,
            "whole": whole,
            "equal": equal,
        }


def page(figures: dict[str, Any]) -> str:
    builds = figures["builds"]
    full = share_of(figures["whole"])
    landing = sum(each["ingest"] for each in builds)
    spent = landing + sum(map(share_of, builds))
    missed = " (missed)" if spent / full > MOST else ""
    every = figures["every"]
    lines = [
        f"{figures['shop']}: {figures['days']} days, each landed by a command of its own; `build`, "
        f"`check` and `materialize` after each {every}. That is what an installation sees whose "
        f"days arrive as fast as `ingest` lands them, such as a backfill: {every} landings take "
        "about as long as one build, and all that lands meanwhile is the next.",
        "",
        "| up to day | landings | build | check | materialize |",
        "|---|---|---|---|---|",
        *(
            f"| {each['day']} | {each['ingest']:.1f} | {each['build']:.1f} | {each['check']:.1f} "
            f"| {each['materialize']:.1f} |"
            for each in builds
        ),
        "",
        f"In all {spent:,.0f} CPU seconds, {landing:,.0f} of them for landings: {spent / full:.1f} "
        f"times one full build of that landing ({full:.0f}); target: at most {MOST:.0f}{missed}.",
        "",
        f"The file of day {LATE} came {AFTER} days late, day {EMPTY} had none, the file of day "
        f"{CORRECTED} was corrected {AFTER} days later, that of day {BROKEN} lacked a column until "
        f"the next day, and a build was killed before day {KILLED}, after "
        f"{figures['killed']:.0f} CPU seconds. The marts of the last snapshot "
        f"{'equal' if figures['equal'] else 'differ from'} those of the full build.",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class File:
    """The events of a day as they are sent; ``is_short``: without a tenth of them, ``is_broken``:
    without their times."""

    day: int
    path: Path
    is_short: bool = False
    is_broken: bool = False


def split_by_day(shop: Shop, folder: Path) -> list[Path]:
    """One Parquet file for each day with events, the first day's first."""
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select *, {shop.time}::date as day from '{shop.every_event}') to '{folder}' "
            "(format parquet, partition_by (day))"
        )
    return sorted(folder.glob("day=*/*.parquet"))


def arrivals(files: list[Path], day: int) -> Iterator[File]:
    """What arrives on a day, counted from 1, in the order of arrival."""
    if day not in (LATE, EMPTY):
        yield File(day, files[day - 1], is_broken=day == BROKEN)
    again = {LATE + AFTER: LATE, CORRECTED + AFTER: CORRECTED, BROKEN + 1: BROKEN}
    if earlier := again.get(day):
        yield File(earlier, files[earlier - 1], is_short=earlier == CORRECTED)


def land(shop: Shop, file: File) -> float:
    """Write the file into the shop's folder and land it; return the CPU seconds of `ingest`.

    The first file stays, since the source wants one of its name.
    """
    written = write(shop, file)
    stage, _ = run_stage(["ingest"], shop.environment)
    if stage.failed and not (file.is_broken and stage.exit_status == NothingToDo.exit_code):
        raise PenchantError(
            f"penchant ingest of {written.name} failed: {stage.failed}", "run it by hand"
        )
    if file.day > 1:
        written.unlink()
    return stage.cpu_seconds


def write(shop: Shop, file: File) -> Path:
    """Write the file under the name of its day."""
    name = shop.file_name if file.day == 1 else f"{shop.file_name}_{file.day:03}"
    to = shop.folder / f"{name}.parquet"
    left_out = f"row_number, {shop.time}" if file.is_broken else "row_number"
    rows = "where row_number % 10 > 0" if file.is_short else ""
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * exclude ({left_out}) from (select *, row_number() over () as "
            f"row_number from read_parquet('{file.path}', hive_partitioning := false)) {rows}) "
            f"to '{to}'"
        )
    return to


def kill_a_build(environment: Mapping[str, str]) -> float:
    """Kill a build that has written a mart; return its CPU seconds."""
    staging = Path(environment["PENCHANT_HOME"]) / "snapshots"
    process = subprocess.Popen([BIN / "penchant", "build"], cwd=ROOT, env=environment)
    while not any(staging.glob(f"{STAGING_PREFIX}s-*/marts/*")):
        if process.poll() is not None:
            raise PenchantError("a build ended before it was killed", "run it again")
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def compare(shop: Shop, home: Path) -> tuple[dict[str, float], bool]:
    """CPU seconds of a full build of the shop's landing, and whether its marts are equal."""
    landed = Settings(_env_file=None, home=Path(shop.environment["PENCHANT_HOME"]))
    whole = Settings(_env_file=None, home=home)
    shutil.copytree(landed.landing, whole.landing)
    stages = run_day({**shop.environment, "PENCHANT_HOME": str(home)}, STAGES[1:])
    return stages, _hashes(landed) == _hashes(whole)


def _hashes(settings: Settings) -> dict[str, str]:
    """Content hash of each mart of the live snapshot."""
    live = settings.live_snapshot.current()
    assert live is not None
    marts = Snapshot.open(settings, live).description.marts
    return {name: mart.content_hash for name, mart in marts.items()}
