"""The benchmarks of whole stages: what their pages say, and a stage that fails."""

import os
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import days, growth, warm, year
from benchmarks.growth_data import write_shop
from benchmarks.stages import run_stage


def stage(name: str, cpu_seconds: float, failed: str | None = None) -> dict[str, Any]:
    return {"name": name, "seconds": 1, "cpu_seconds": cpu_seconds, "peak_mb": 9, "failed": failed}


def test_growth_page_has_slopes_and_failures_smallest_shop_first() -> None:
    shops = {
        "1000": [stage("build", 1000), stage("check", 10, "error: no memory")],
        "100": [stage("build", 10), stage("check", 1)],
    }
    page = growth.page({"memory_mb": 3000, "threads": 2, "shops": shops})
    assert "| stage | 100 events | 1,000 events |" in page
    assert "| build | 1 / 10 / 9 | 1 / 1,000 / 9 | 2.00 (missed) |" in page
    assert "| check | 1 / 1 / 9 | failed: 1 / 10 / 9 | - |" in page
    assert "- missed: 1,000 events, check: error: no memory" in page


def test_days_page_compares_each_day_with_the_whole() -> None:
    measured = {
        "whole": {"ingest": 9.0, "build": 99.0, "check": 1.0, "disk_mb": 300.0},
        "empty": {"ingest": 1.0, "disk_mb": 300.0},
        "late file": {"build": 40.0, "disk_mb": 320.4},
    }
    models = {"sequences": 2.4}
    page = days.page({"shop": "A shop", "events": 1000, "days": measured, "models": models})
    assert "| empty | 1.0 | 0.0 | 0.0 | 0.0 | 0% | 300 |" in page
    assert "| late file | 0.0 | 40.0 | 0.0 | 0.0 | 40% (missed) | 320 |" in page


def test_disk_counts_shared_files_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(bytes(2_000_000))
    (tmp_path / "same").hardlink_to(tmp_path / "one")
    assert days.disk_mb(tmp_path) == 2.0


def test_every_day_of_the_year_arrives_but_the_empty_one() -> None:
    files = [Path(f"{day}") for day in range(1, 366)]
    arrived = [file for day in range(1, 366) for file in year.arrivals(files, day)]
    whole = [file.day for file in arrived if not (file.is_short or file.is_broken)]
    assert sorted(whole) == [day for day in range(1, 366) if day != year.EMPTY]
    assert [file.day for file in arrived if file.is_short] == [year.CORRECTED]


def test_year_page_compares_all_stages_with_one_full_build() -> None:
    month = {"ingest": 28.0, "build": 30.0, "check": 1.0, "materialize": 1.0}
    figures = {
        "shop": "A shop",
        "days": 56,
        "every": 28,
        "builds": [{"day": 28, **month}, {"day": 56, **month}],
        "killed": 3.0,
        "whole": {"build": 15.0, "check": 3.0, "materialize": 2.0},
        "equal": True,
    }
    page = year.page(figures)
    assert "| 56 | 28.0 | 30.0 | 1.0 | 1.0 |" in page
    assert "In all 120 CPU seconds, 56 of them for landings: 6.0 times one full build" in page
    assert "(missed)" not in page and "equal those of the full build" in page


def test_days_of_the_year_land_as_files_of_their_own(tmp_path: Path) -> None:
    shop = days.shop_of(tmp_path, 5_000)
    files = year.split_by_day(shop, tmp_path / "days")
    counted = duckdb.execute("select count(*) from read_parquet(?)", [list(map(str, files))])
    assert counted.fetchall() == [(5_000,)]
    year.write(shop, year.File(1, files[0]))
    year.write(shop, year.File(2, files[1], is_broken=True))
    first, second = sorted(shop.folder.glob("events_*.parquet"))
    whole, broken = (
        duckdb.execute(f"describe from '{each}'").fetchall() for each in (first, second)
    )
    assert [name for name, *_ in whole if name != shop.time] == [name for name, *_ in broken]


def test_a_failed_stage_has_its_error_and_status(tmp_path: Path) -> None:
    environment = {**os.environ, "PENCHANT_HOME": str(tmp_path)}
    failed, result = run_stage(["check", "--snapshot", "s-20240101-0123456789ab"], environment)
    assert failed.exit_status == 64 and result == {}
    assert failed.failed is not None and "does not exist" in failed.failed


def test_days_of_a_shop_are_disjoint_and_complete(tmp_path: Path) -> None:
    shop = days.shop_of(tmp_path, 5_000)
    shop.land_history()
    for day in (-5, -4, -3, -2, -1):
        shop.land(day)
    counted = f"select count(*), count(distinct event_id) from '{shop.folder}/events_*.parquet'"
    assert duckdb.execute(counted).fetchall() == [(5_000, 5_000)]
    shop.correct()
    assert duckdb.execute(counted).fetchall()[0][0] < 5_000


def test_the_same_number_gives_the_same_events(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_shop(tmp_path / name, 1_000)
    events = (f"from '{tmp_path / name}/events_*.parquet'" for name in ("first", "second"))
    assert not duckdb.execute(" except ".join(events)).fetchall()


def test_warm_page_says_what_was_missed_and_what_was_cold() -> None:
    figure = {"mean": 0.5, "low": 0.4, "high": 0.6}
    fit = {"cold_seconds": 10.0, "warm_seconds": 3.0, "cold": figure, "warm": 0.5}
    days = {"7": {"why_cold": "other interests"}, "30": {**fit, "difference": figure}}
    shop = {"users": 1, "items": 1, "events": 1}
    page = warm.page({**shop, "families": {"gru": days}})
    assert "| `gru` | 30 | 10.00 | 3.00 | 30% (missed) | 0.5000 [0.4000, 0.6000] |" in page
    assert page.index("cold: other interests") < page.index("(missed)")
