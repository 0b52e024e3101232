"""A snapshot that was built from a live one: the rows that changed are validated alone."""

from datetime import datetime
from pathlib import Path

import pytest
from small_snapshot import FIRST, SECOND, edit_mart

from penchant.artifacts import KeptRows, Snapshot, SnapshotDescription
from penchant.errors import DataError
from penchant.quality import validation
from penchant.quality.changed_rows import validate_changed
from penchant.quality.check import check
from penchant.settings import Settings

SINCE = datetime(2024, 2, 20)
LAST_DAY = "event_at >= timestamp '2024-02-20'"
KEPT = {"events": "event_at", "user_statistics": "feature_at"}


def say_kept(snapshot: Snapshot) -> Snapshot:
    """Describe a snapshot as a build does that keeps the rows before SINCE of FIRST."""
    path = snapshot.path / "snapshot.json"
    described = SnapshotDescription.read(path)
    marts = {
        name: mart.model_copy(
            update={
                "content_hash": "new" if name in KEPT else mart.content_hash,
                "kept": KeptRows(by=KEPT[name], since=SINCE) if name in KEPT else None,
            }
        )
        for name, mart in described.marts.items()
    }
    described.model_copy(update={"marts": marts, "previous": FIRST}).write(path)
    return Snapshot.open(Settings(_env_file=None, home=snapshot.path.parent.parent), snapshot.id)


@pytest.fixture
def no_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Great Expectations must not run."""

    def fail(*_: object) -> None:
        pytest.fail("all rows were validated")

    monkeypatch.setattr(validation, "validate", fail)


@pytest.mark.usefixtures("no_expectations")
def test_a_good_day_is_live_without_a_validation_of_all_rows(
    settings: Settings, second: Snapshot
) -> None:
    whole = Snapshot.open(settings, FIRST).check_results()
    say_kept(second)
    report = check(settings, SECOND)
    assert (report.status, report.rows, settings.live_snapshot.current()) == (
        "passed",
        "changed",
        SECOND,
    )
    results = second.check_results()
    assert results and whole and results.all_rows_at == whole.all_rows_at
    page = (settings.site / "data_docs" / SECOND / "index.html").read_text()
    assert "Only the rows that are not in that snapshot were validated" in page
    assert check(settings, SECOND).rows == "changed"


@pytest.mark.parametrize(
    ("mart", "edit"),
    [
        ("events", f"from mart union all (from mart where {LAST_DAY} limit 1)"),
        ("events", f"select * replace (if({LAST_DAY}, 'e1', event_id) as event_id) from mart"),
        ("events", f"select * replace (if({LAST_DAY}, -1, quantity) as quantity) from mart"),
        (
            "events",
            f"select * replace (if({LAST_DAY}, 'stare', event_type) as event_type) from mart",
        ),
        ("events", f"select * replace (if({LAST_DAY}, 'nobody', user_id) as user_id) from mart"),
        ("events", "from mart where event_id > 'e6'"),
        ("users", "from mart where user_id <> 'u7'"),
        (
            "user_statistics",
            "select * replace (if(feature_at >= timestamp '2024-02-20', 'nan', spend_28d) "
            "as spend_28d) from mart",
        ),
        (
            "user_statistics",
            "select * replace (feature_at + interval 1 second as feature_at) from mart",
        ),
        ("user_statistics", "select * replace (null::bigint as orders_28d) from mart"),
        ("user_statistics", "select * exclude (spend_28d) from mart"),
        ("propensities", "select * replace (0.4 as propensity) from mart"),
    ],
)
def test_a_fault_in_a_changed_row_is_found(
    settings: Settings, second: Snapshot, mart: str, edit: str
) -> None:
    edit_mart(second, mart, edit)
    assert validate_changed(say_kept(second), Snapshot.open(settings, FIRST), 1) is None


@pytest.mark.parametrize(
    ("mart", "edit"),
    [
        ("user_statistics", "select * replace (spend_28d * 9 as spend_28d) from mart"),
        (
            "user_statistics",
            "select mart.* replace (user_id || copy as user_id) from mart, range(4) copies(copy)",
        ),
        (
            "policy_log",
            "select * replace (if(impression_id = 'm7', 1e-9, propensity) as propensity, "
            "null::varchar as slate_id) from mart",
        ),
    ],
)
def test_a_warning_is_that_of_great_expectations(
    settings: Settings, second: Snapshot, tmp_path: Path, mart: str, edit: str
) -> None:
    edit_mart(second, mart, edit)
    changed = say_kept(second)
    first = Snapshot.open(settings, FIRST)
    found = validate_changed(changed, first, 1)
    whole = validation.validate(changed, first, tmp_path, 1)
    assert found and found[mart].failures
    assert {name: each.failures for name, each in found.items()} == {
        name: each.failures for name, each in whole.items()
    }


@pytest.mark.usefixtures("no_expectations")
def test_a_day_after_a_warning_is_live_without_a_validation_of_all_rows(
    settings: Settings, second: Snapshot
) -> None:
    first = Snapshot.open(settings, FIRST)
    before = first.check_results()
    assert before
    warned = before.statistics.model_copy(update={"failed_warning": 1})
    before.model_copy(update={"statistics": warned}).write(first.checks)
    edit_mart(second, "user_statistics", "select * replace (spend_28d * 9 as spend_28d) from mart")
    report = check(settings, say_kept(second).id)
    assert (report.status, report.rows, report.warnings) == ("passed", "changed", 1)


def test_great_expectations_names_the_fault(settings: Settings, second: Snapshot) -> None:
    edit_mart(
        second, "events", f"select * replace (if({LAST_DAY}, -1, quantity) as quantity) from mart"
    )
    with pytest.raises(DataError, match="bounds"):
        check(settings, say_kept(second).id)
    assert settings.live_snapshot.current() == FIRST


@pytest.mark.parametrize(
    ("reason", "checks", "rows"),
    [
        ("asked for", 0, "all"),
        ("another build", 0, "all"),
        ("a week later", 6, "all"),
        ("a week later", 5, "changed"),  # days that landed together
    ],
)
def test_all_rows_are_validated(
    settings: Settings, second: Snapshot, reason: str, checks: int, rows: str
) -> None:
    say_kept(second)
    first = Snapshot.open(settings, FIRST)
    before = first.check_results()
    assert before
    before.model_copy(update={"checks_since": checks}).write(first.checks)
    path = second.path / "snapshot.json"
    described = SnapshotDescription.read(path)
    if reason == "a week later":
        described.model_copy(update={"as_of": datetime(2024, 3, 8)}).write(path)
        edit_mart(
            second,
            "events",
            f"select * replace (if({LAST_DAY}, event_at + interval 7 days, event_at) as event_at) "
            "from mart",
        )
    if reason == "another build":
        described.model_copy(update={"previous": None}).write(path)
    assert check(settings, SECOND, all_rows=reason == "asked for").rows == rows
    results = second.check_results()
    assert results and results.checks_since == (0 if rows == "all" else checks + 1)
