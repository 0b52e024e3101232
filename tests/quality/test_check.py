"""The gate: what is refused, what is only warned of, and that the pointer moves for neither too early."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import FIRST, SECOND, Edit

from penchant.errors import DataError
from penchant.quality.check import check
from penchant.settings import Settings
from penchant.snapshot import Snapshot


def failures(snapshot: Snapshot) -> set[tuple[str, str, str | None, str]]:
    """(mart, expectation, column, severity) of all that failed."""
    marts: dict[str, Any] = json.loads(snapshot.checks.read_text())["marts"]
    return {
        (name, failed["expectation"], failed["column"], failed["severity"])
        for name, mart in marts.items()
        for failed in mart["failed"]
    }


def test_a_good_snapshot_becomes_live_and_is_not_checked_twice(
    settings: Settings, first: Snapshot
) -> None:
    report = check(settings, FIRST)
    assert (report.status, report.critical_failures, report.warnings) == ("passed", 0, 0)
    assert settings.live_snapshot.current() == FIRST
    verdict = json.loads(first.checks.read_text())
    assert verdict["passed"] and verdict["compared_with"] is None
    assert all(mart["expectations"] > 0 for mart in verdict["marts"].values())
    assert "user_statistics" in (settings.site / "data_docs" / FIRST / "index.html").read_text()

    settings.live_snapshot.path.unlink()  # killed between checks.json and the flip
    again = check(settings, FIRST)
    assert again.status == "unchanged" and again.expectations == report.expectations
    assert settings.live_snapshot.current() == FIRST


CRITICAL = {
    "duplicate key": (
        "events",
        "from mart union all (from mart limit 3)",
        ("events", "primary_key", "event_id", "critical"),
    ),
    "duplicate compound key": (
        "user_statistics",
        "from mart union all (from mart limit 1)",
        ("user_statistics", "primary_key", "user_id, feature_at", "critical"),
    ),
    "null key": (
        "events",
        "select * replace (nullif(event_id, 'e5') as event_id) from mart",
        ("events", "expect_column_values_to_not_be_null", "event_id", "critical"),
    ),
    "out of range": (
        "events",
        "select * replace (case when event_id = 'e5' then -1 else quantity end as quantity) from mart",
        ("events", "expect_column_values_to_be_between", "quantity", "critical"),
    ),
    "unknown value": (
        "events",
        "select * replace (replace(event_type, 'view', 'stare') as event_type) from mart",
        ("events", "expect_column_values_to_be_in_set", "event_type", "critical"),
    ),
    "orphan": (
        "users",
        "from mart where user_id != 'u7'",
        ("events", "relationship", "user_id", "critical"),
    ),
    "not a number": (
        "user_statistics",
        "select * replace (if(user_id = 'u3', 'nan'::double, spend_28d) as spend_28d) from mart",
        ("user_statistics", "finite", "spend_28d", "critical"),
    ),
    "infinite in an array": (
        "user_statistics",
        "select * replace (['inf'::double, 0] as top_category_weights) from mart",
        ("user_statistics", "finite", "top_category_weights", "critical"),
    ),
    "future event": (
        "events",
        "select * replace (event_at + interval 1 day as event_at) from mart",
        ("events", "not_from_the_future", "event_at", "critical"),
    ),
    "future feature": (
        "user_statistics",
        "select * replace (feature_at + interval 1 second as feature_at) from mart",
        ("user_statistics", "not_from_the_future", "feature_at", "critical"),
    ),
    "stale": (
        "events",
        "select * replace (event_at - interval 9 days as event_at) from mart",
        ("events", "fresh", "event_at", "critical"),
    ),
    "collapse": (
        "events",
        "from mart where hash(event_id) % 5 = 0 or event_id > 'e99'",
        ("events", "expect_table_row_count_to_be_between", None, "critical"),
    ),
    "missing column": (
        "events",
        "select * exclude (value) from mart",
        ("events", "expect_table_columns_to_match_ordered_list", None, "critical"),
    ),
    "wrong type": (
        "events",
        "select * replace (quantity::double as quantity) from mart",
        ("events", "column_types", None, "critical"),
    ),
}


@pytest.mark.parametrize("fault", CRITICAL)
def test_a_fault_is_refused_and_readers_stay(
    settings: Settings, second: Snapshot, edit: Edit, fault: str
) -> None:
    mart, query, expected = CRITICAL[fault]
    edit(mart, query)
    with pytest.raises(DataError) as refused:
        check(settings, SECOND)
    critical = {found for found in failures(second) if found[3] == "critical"}
    assert critical == {expected}
    assert all(word in str(refused.value) for word in (expected[0], expected[1], "what to do"))
    assert settings.live_snapshot.current() == FIRST
    assert json.loads(second.checks.read_text())["passed"] is False


def test_drift_and_growth_are_warnings(settings: Settings, second: Snapshot, edit: Edit) -> None:
    edit("events", "select * replace (value * 3 + 5 as value) from mart")
    edit("user_statistics", "from mart union all select * replace ('v' || range as user_id) from mart, range(5)")
    report = check(settings, SECOND)
    assert report.critical_failures == 0 and settings.live_snapshot.current() == SECOND
    assert failures(second) == {
        ("events", "drift", "value", "warning"),
        ("user_statistics", "expect_table_row_count_to_be_between", None, "warning"),
    }


def test_what_the_manifest_or_the_disk_lacks_is_refused(
    settings: Settings, second: Snapshot
) -> None:
    second.mart("users").rename(second.mart("strangers"))
    second.mart("events").write_bytes(second.mart("events").read_bytes()[:-20])
    with pytest.raises(DataError):
        check(settings, SECOND)
    assert {(mart, rule) for mart, rule, *_ in failures(second)} == {
        ("users", "readable"),
        ("strangers", "described"),
        ("events", "readable"),
    }


def test_an_expectation_that_cannot_be_computed_fails(
    settings: Settings, second: Snapshot, edit: Edit
) -> None:
    edit("events", "select * replace ('many' as quantity) from mart")
    with pytest.raises(DataError):
        check(settings, SECOND)
    found = failures(second)
    assert ("events", "column_types", None, "critical") in found
    assert ("events", "expect_column_values_to_be_between", "quantity", "critical") in found


KILLED = """
import os, signal, sys
from pathlib import Path
import penchant.quality.check as room
from penchant.settings import Settings

room.write_json = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
room.check(Settings(_env_file=None, home=Path(sys.argv[1]), threads=1), sys.argv[2])
"""


def test_killed_midway_and_run_again_gives_the_same_verdict(
    settings: Settings, second: Snapshot, edit: Edit
) -> None:
    edit("events", "select * replace (value * 3 + 5 as value) from mart")
    environment = {**os.environ, "GX_ANALYTICS_ENABLED": "false"}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(settings.home), SECOND], env=environment, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not second.checks.exists() and settings.live_snapshot.current() == FIRST

    check(settings, SECOND)
    undisturbed = second.checks.read_bytes()
    settings.live_snapshot.flip(FIRST)
    second.checks.unlink()
    check(settings, SECOND)
    assert second.checks.read_bytes() == undisturbed


def test_old_pages_go_and_new_ones_are_listed(settings: Settings, tmp_path: Path) -> None:
    from penchant.quality.docs import KEPT, replaced_page

    for number in range(KEPT + 2):
        with replaced_page(tmp_path, f"s-{number}") as folder:
            (folder / "index.html").write_text("page")
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == KEPT
    assert f"s-{KEPT + 1}/index.html" in (tmp_path / "index.html").read_text()
