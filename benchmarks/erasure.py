"""Time and cost of erasing one person: of the example data, and of simulated homes of any size.

A simulated home has what an erasure reads, removes and searches, written by
``erasure_data.py``; nothing in it was built or trained. The build, training and release between the
two steps are those of any day and aren't part of the figures.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.erasure_data import (
    AFTER,
    BEFORE,
    EVENTS_A_USER,
    user_id,
    write_derived,
    write_landing,
)
from benchmarks.rows import grid
from penchant.ingestion.ingest import ingest
from penchant.privacy.erase import erase, finish
from penchant.privacy.mentions import files_that_mention
from penchant.settings import Settings
from penchant.telemetry import disable_telemetry

TITLE = "Time, cost and bytes"
MB = 1e6
NOTHING = "0.00 / 0.00"
Files = dict[Path, tuple[int, int]]


def measure(
    settings: Settings,
    *,
    users: tuple[int, ...] = (20_000, 200_000, 1_000_000),
    example: bool = True,
    people: int = 1,
) -> dict[str, Any]:
    """``users``: of simulated homes; ``example``: Complete Journey too; ``people``: erased at
    once."""
    disable_telemetry()
    homes = [example_home(settings.threads, people)] if example else []
    homes += [simulated_home(settings.threads, count, people) for count in users]
    return {"people": people, "threads": settings.threads, "homes": homes}


def page(figures: dict[str, Any]) -> str:
    homes, people = figures["homes"], figures["people"]
    introduction = (
        f"{people} {'person' if people == 1 else 'people'} of each home, with "
        f"{figures['threads']} threads. Simulated homes have {EVENTS_A_USER} events a user in a "
        "batch a month, impressions with propensities, and the largest marts, an online store, a "
        "run and a release, all synthetic: nothing in them was built or trained. Of Complete "
        "Journey what has landed is erased and searched."
    )
    tables = (
        ("seconds / CPU seconds", "steps", lambda home, step: _times(home["steps"].get(step))),
        ("searched for ids", "searched", lambda home, place: _times(home["searched"].get(place))),
        ("MB rewritten / MB there", "rewritten_mb", _of),
    )
    return "\n\n".join([introduction, *(_table(homes, *each) for each in tables)])


def _table(
    homes: list[dict[str, Any]], what: str, key: str, cell: Callable[[dict[str, Any], str], str]
) -> str:
    """A row for each entry that is not zero everywhere."""
    names = dict.fromkeys(name for home in homes for name in home[key])
    rows = [[name, *(cell(home, name) for home in homes)] for name in names]
    kept = [row for row in rows if any(each not in ("", NOTHING) for each in row[1:])]
    return grid([what, *(home["name"] for home in homes)], kept)


def example_home(threads: int, people: int) -> dict[str, Any]:
    with _home(threads) as settings:
        ingest(settings, "complete_journey")
        ids = _some_users(settings, people)
        return _measured("Complete Journey, 2,469 users", settings, ids, lambda: None)


def simulated_home(threads: int, users: int, people: int) -> dict[str, Any]:
    with _home(threads) as settings:
        write_landing(settings, users)
        (settings.snapshots / BEFORE).mkdir(parents=True)
        ids = [user_id(number) for number in range(people)]

        def derive() -> None:
            write_derived(settings, AFTER, users, first=people)

        return _measured(f"{users:,} users", settings, ids, derive)


def _measured(
    name: str, settings: Settings, ids: Sequence[str], derive: Callable[[], None]
) -> dict[str, Any]:
    """``derive``: what happens between the removal and the end, which isn't measured."""
    before, steps = _files(settings.home), {}
    steps["remove what is stored"] = _timed(lambda: erase(settings, ids))
    after = _files(settings.home)
    rewritten = {
        file: size for file, (size, made) in after.items() if before.get(file) != (size, made)
    }
    derive()
    steps["remove what was derived, search the home, write the receipt"] = _timed(
        lambda: finish(settings)
    )
    places = [each for each in sorted(settings.home.iterdir()) if each.is_dir()]
    searched = {each.name: _search(each, ids) for each in places if each != settings.privacy}
    return {
        "name": name,
        "steps": steps,
        "searched": searched,
        "rewritten_mb": _by_place(settings, rewritten),
        "landed_mb": _by_place(settings, {file: size for file, (size, _) in before.items()}),
    }


def _search(place: Path, ids: Sequence[str]) -> list[float]:
    return _timed(lambda: list(files_that_mention(place, ids, [])))


def _timed(work: Callable[[], Any]) -> list[float]:
    """Seconds and CPU seconds, children's too."""
    started, used = time.perf_counter(), _cpu()
    work()
    return [time.perf_counter() - started, _cpu() - used]


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _files(folder: Path) -> Files:
    """Size and time of each file that isn't empty."""
    found = {file: file.stat() for file in folder.rglob("*") if file.is_file()}
    return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in found.items() if stat.st_size}


def _by_place(settings: Settings, sizes: dict[Path, int]) -> dict[str, float]:
    """MB of the tables of the landing, and of the other folders of the home."""
    found: dict[str, float] = {}
    for file, size in sizes.items():
        parts = file.relative_to(settings.home).parts
        place = "/".join(parts[:3] if parts[0] == "landing" else parts[:1])
        found[place] = found.get(place, 0.0) + size / MB
    return found


def _some_users(settings: Settings, count: int) -> list[str]:
    batch = next(settings.landing.glob("complete_journey/transactions/*/data.parquet"))
    column = next(
        name for name in pq.read_schema(batch).names if name in ("user_id", "household_id")
    )
    ids = pq.read_table(batch, columns=[column])[column].to_pylist()
    return [str(each) for each in dict.fromkeys(ids)][:count]


def _times(pair: list[float] | None) -> str:
    return "" if pair is None else f"{pair[0]:,.2f} / {pair[1]:,.2f}"


def _of(home: dict[str, Any], place: str) -> str:
    rewritten = home["rewritten_mb"].get(place)
    return "" if rewritten is None else f"{rewritten:,.2f} / {home['landed_mb'].get(place, 0):,.2f}"


@contextmanager
def _home(threads: int) -> Iterator[Settings]:
    """A home that holds the source's ids: the simulated ones are as long as pseudonyms."""
    with tempfile.TemporaryDirectory(prefix="penchant-erasure-") as folder:
        yield Settings(
            _env_file=None, home=Path(folder) / "home", threads=threads, pseudonyms=False
        )
