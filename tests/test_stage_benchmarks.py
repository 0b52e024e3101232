"""The benchmarks of whole stages: what their pages say, and a stage that fails."""

import os
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import days, growth
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
        "whole": {"ingest": 9.0, "build": 99.0, "check": 1.0},
        "empty": {"ingest": 1.0},
        "late": {"build": 40.0},
    }
    page = days.page({"shop": "A shop", "events": 1000, "days": measured})
    assert "| empty | 1.0 | 0.0 | 0.0 | 0.0 | 0% |" in page
    assert "| late | 0.0 | 40.0 | 0.0 | 0.0 | 40% (missed) |" in page


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
