"""Checks: critical failures, warnings, and that only passed snapshots go live."""

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest
from small_snapshot import FIRST, SECOND, edit_mart

from penchant.artifacts import Snapshot, SnapshotDescription
from penchant.artifacts.snapshot import CheckStatistics
from penchant.errors import DataError
from penchant.quality.check import check
from penchant.settings import Settings

Failures = set[tuple[str, str, str | None]]


def failures(snapshot: Snapshot, severity: str) -> Failures:
    """(mart, expectation, column) of what failed with a severity, in the snapshot's checks.json."""
    marts: dict[str, Any] = json.loads(snapshot.checks.read_text())["marts"]
    return {
        (name, failed["expectation"], failed["column"])
        for name, mart in marts.items()
        for failed in mart["failed"]
        if failed["severity"] == severity
    }


def test_passed_snapshot_goes_live_and_is_not_checked_again(
    settings: Settings, first: Snapshot
) -> None:
    report = check(settings, FIRST)
    assert (report.status, report.critical_failures, report.warnings) == ("passed", 0, 0)
    assert settings.live_snapshot.current() == FIRST
    checks = json.loads(first.checks.read_text())
    assert checks["passed"] and checks["compared_with"] is None
    assert all(mart["expectations"] > 0 for mart in checks["marts"].values())
    assert "user_statistics" in (settings.site / "data_docs" / FIRST / "index.html").read_text()

    settings.live_snapshot.path.unlink()  # killed between checks.json and the flip
    again = check(settings, FIRST)
    assert (again.status, again.expectations) == ("unchanged", report.expectations)
    assert settings.live_snapshot.current() == FIRST


# Several faults in one snapshot, as a check costs a second: (mart, edit, expectation, column).
FAULTS = {
    "rows": [
        ("events", "from mart union all (from mart limit 3)", "primary_key", "event_id"),
        (
            "events",
            "select * replace (nullif(event_id, 'e5') as event_id) from mart",
            "not_null",
            None,
        ),
        (
            "events",
            "select * replace (if(event_id = 'e6', -1, quantity) as quantity) from mart",
            "bounds",
            None,
        ),
        (
            "events",
            "select * replace (replace(event_type, 'view', 'stare') as event_type) from mart",
            "expect_column_values_to_be_in_set",
            "event_type",
        ),
        (
            "events",
            "select * replace (if(event_id = 'e7', timestamp '2024-03-01', event_at) as event_at) "
            "from mart",
            "not_in_the_future",
            "event_at",
        ),
        ("users", "from mart where user_id != 'u7'", "relationship", "user_id"),
        (
            "user_statistics",
            "from mart union all (from mart limit 1)",
            "primary_key",
            "user_id, feature_at",
        ),
        (
            "user_statistics",
            "select * replace (if(user_id = 'u3', 'nan', spend_28d) as spend_28d) from mart",
            "finite",
            None,
        ),
        (
            "user_statistics",
            "select * replace (if(user_id = 'u3', ['inf'::double, 0.1], top_category_weights) "
            "as top_category_weights) from mart",
            "finite",
            None,
        ),
        (
            "user_statistics",
            "select * replace (if(user_id = 'u4', ['a', null], top_categories) as top_categories, "
            "case user_id when 'u5' then [0.5] when 'u6' then [0.5, -1] "
            "else top_category_weights end as top_category_weights) from mart",
            "elements",
            None,
        ),
        (
            "user_statistics",
            "select * replace (feature_at + interval 1 second as feature_at) from mart",
            "not_in_the_future",
            "feature_at",
        ),
    ],
    "policies": [
        (
            "propensities",
            "select * replace (if(slate_id = 's3', 0.4, propensity) as propensity) from mart",
            "propensities_sum_to_one",
            None,
        ),
        (
            "policy_log",
            "select * replace (if(impression_id = 'm7', 0.0, propensity) as propensity) from mart",
            "bounds",
            None,
        ),
        (
            "policy_log",
            "select * replace (if(impression_id = 'm8', 'c9', item_id) as item_id) from mart",
            "support",
            None,
        ),
    ],
    "tables": [
        (
            "events",
            "select * replace (event_at - interval 9 days as event_at) from mart",
            "fresh",
            "event_at",
        ),
        (
            "events",
            "from mart where event_id > 'e6'",
            "expect_table_row_count_to_be_between",
            None,
        ),
        (
            "user_statistics",
            "select * exclude (spend_28d) from mart",
            "expect_table_columns_to_match_ordered_list",
            None,
        ),
        (
            "user_statistics",
            "select * replace (orders_28d::double as orders_28d) from mart",
            "column_types",
            None,
        ),
    ],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_critical_failure_keeps_previous_snapshot_live(
    settings: Settings, second: Snapshot, faults: list[tuple[str, str, str, str | None]]
) -> None:
    for mart, edit, *_ in faults:
        edit_mart(second, mart, edit)
    with pytest.raises(DataError) as failed:
        check(settings, SECOND)
    expected = {(mart, expectation, column) for mart, _, expectation, column in faults}
    if ("users", "relationship", "user_id") in expected:  # the orphans are in events
        expected ^= {("users", "relationship", "user_id"), ("events", "relationship", "user_id")}
    assert failures(second, "critical") == expected
    if ("user_statistics", "finite", None) in expected:
        assert '"not_finite": "spend_28d, top_category_weights"' in str(failed.value)
        checks = json.loads(second.checks.read_text())["marts"]["user_statistics"]["failed"]
        [elements] = [each for each in checks if each["expectation"] == "elements"]
        assert {(row["user_id"], row["wrong"]) for row in elements["sample"]} == {
            ("u4", "top_categories")
        }  # of u4, u5 and u6 the first rows
        assert elements["unexpected_count"] == 60
    assert all(expectation in str(failed.value) for _, expectation, _ in expected)
    assert settings.live_snapshot.current() == FIRST
    assert json.loads(second.checks.read_text())["passed"] is False


def test_failure_has_count_and_sample(settings: Settings, second: Snapshot) -> None:
    edit_mart(second, "events", "from mart union all (from mart limit 3)")
    with pytest.raises(DataError) as failed:
        check(settings, SECOND)
    assert "events: primary_key: (event_id) is unique" in str(failed.value)
    assert '3 unexpected, such as [{"event_id": "e0", "copies": 2}' in str(failed.value)


def test_each_query_of_a_passing_snapshot_runs_once(
    settings: Settings, first: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine as Engine

    queries: list[str] = []

    def execute(self: Engine, query: Any, run: Any = Engine.execute_query) -> Any:
        queries.append(str(query))
        return run(self, query)

    monkeypatch.setattr(Engine, "execute_query", execute)
    check(settings, FIRST)
    unique = [query for query in queries if "as copies" in query]
    assert unique and len(unique) == len(set(unique))
    assert not any("COUNT(*) as unexpected_row_count" in query for query in queries)


def test_drift_and_growth_are_warnings(settings: Settings, second: Snapshot) -> None:
    edit_mart(second, "events", "select * replace (value * 3 + 5 as value) from mart")
    edit_mart(
        second,
        "user_statistics",
        "select mart.* replace (user_id || copy as user_id) from mart, range(4) copies(copy)",
    )
    report = check(settings, SECOND)
    assert report.critical_failures == 0 and settings.live_snapshot.current() == SECOND
    assert failures(second, "warning") == {
        ("events", "drift", None),
        ("user_statistics", "expect_table_row_count_to_be_between", None),
    }


def test_small_effective_sample_size_is_a_warning(settings: Settings, second: Snapshot) -> None:
    rare = "if(impression_id = 'm7', 1e-9, propensity)"
    edit_mart(
        second,
        "policy_log",
        f"select * replace ({rare} as propensity, null::varchar as slate_id) from mart",
    )
    check(settings, SECOND)
    assert failures(second, "warning") == {("policy_log", "effective_sample_size", None)}


def test_marts_missing_in_manifest_or_on_disk_are_critical(
    settings: Settings, second: Snapshot
) -> None:
    second.mart("users").rename(second.mart("unknown_mart"))
    second.mart("events").write_bytes(second.mart("events").read_bytes()[:-20])
    with pytest.raises(DataError):
        check(settings, SECOND)
    assert failures(second, "critical") == {
        ("users", "readable", None),
        ("unknown_mart", "described", None),
        ("events", "readable", None),
    }
    assert settings.live_snapshot.current() == FIRST


def test_rejects_snapshot_without_marts(settings: Settings, first: Snapshot) -> None:
    shutil.rmtree(first.path / "marts")
    first.manifest.write_text('{"nodes": {}}')
    description = SnapshotDescription(id=FIRST, as_of=datetime(2024, 3, 1))
    description.write(first.path / "snapshot.json")
    with pytest.raises(DataError, match="no marts"):
        check(settings, FIRST)
    assert settings.live_snapshot.current() is None


def test_expectation_that_cannot_be_computed_is_critical(
    settings: Settings, second: Snapshot
) -> None:
    edit_mart(second, "events", "select * replace (['many'] as quantity) from mart")
    with pytest.raises(DataError):
        check(settings, SECOND)
    assert ("events", "column_types", None) in failures(second, "critical")
    assert ("events", "bounds", None) in failures(second, "critical")


KILLED = """
import os, signal, sys
from pathlib import Path
from penchant.artifacts import CheckResults
from penchant.quality.check import check
from penchant.settings import Settings

CheckResults.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
check(Settings(_env_file=None, home=Path(sys.argv[1]), threads=1), sys.argv[2])
"""


def test_killed_check_and_second_run_give_the_same_result(
    settings: Settings, second: Snapshot
) -> None:
    edit_mart(second, "events", "select * replace (value * 3 + 5 as value) from mart")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(settings.home), SECOND],
        env=os.environ,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not second.checks.exists() and settings.live_snapshot.current() == FIRST

    check(settings, SECOND)
    after_kill = second.checks.read_bytes()
    settings.live_snapshot.flip(FIRST)
    second.checks.unlink()
    check(settings, SECOND)
    assert second.checks.read_bytes() == after_kill


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((310, 0, 1), "310 expectations, no critical failure, 1 warning"),
        ((1, 2, 0), "1 expectation, 2 critical failures, no warning"),
    ],
)
def test_rules_are_counted_in_words(counts: tuple[int, int, int], words: str) -> None:
    expectations, critical, warnings = counts
    statistics = CheckStatistics(
        expectations=expectations, failed_critical=critical, failed_warning=warnings
    )
    assert statistics.in_words() == words
