"""The build stage on a small simulated landing: the content of snapshots and what changes it."""

import json
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from patience import PATIENCE

from penchant.artifacts import Snapshot
from penchant.building import limits
from penchant.building.build import build, identify
from penchant.building.dbt import run_dbt
from penchant.building.landed import landed_events, read_landing
from penchant.building.limits import Limits
from penchant.errors import DataError, UsageError
from penchant.manifest import read_marts
from penchant.settings import Settings

WINDOWED = (
    "user_statistics",
    "user_affinities",
    "user_lifecycle",
    "user_price_sensitivity",
    "user_category_statistics",
    "user_portrait",
    "item_statistics",
)


def the_snapshot(settings: Settings) -> Snapshot:
    return Snapshot.open(settings, next(settings.snapshots.glob("s-*")).name)


def hashes(snapshot: Snapshot) -> dict[str, str]:
    return {name: mart.content_hash for name, mart in snapshot.description.marts.items()}


def landed_only(settings: Settings, home: Path, **changes: object) -> Settings:
    """A home with the same landing only."""
    shutil.copytree(settings.landing, home / "landing")
    return settings.model_copy(update={"home": home, **changes})


def test_every_mart_meets_its_contract(built_home: Settings) -> None:
    snapshot = the_snapshot(built_home)
    marts = read_marts(snapshot.manifest)
    folders = {"core", "features", "insights", "serving", "training"}
    assert {mart.folder for mart in marts} == folders
    for mart in marts:
        found = duckdb.execute(
            "select column_name, column_type from (describe select * from read_parquet(?))",
            [str(snapshot.mart(mart.name))],
        ).fetchall()
        assert found == [(column.name, column.type) for column in mart.columns], mart.name
        assert "Grain: one row per" in mart.description, mart.name
        assert all(column.description for column in mart.columns), mart.name
    rows = {name: mart.rows for name, mart in snapshot.description.marts.items()}
    assert rows.pop("ad_candidates") == 0  # no campaign is running at as_of
    assert rows.pop("item_embeddings") == 0  # the shop brought no vectors
    assert rows.pop("excluded_users") == 0  # no bot, no test user
    assert min(rows.values()) > 0, rows
    assert snapshot.as_of == datetime(2024, 4, 30)


def test_what_a_service_sends_replaces_what_files_say(built_home: Settings) -> None:
    snapshot = the_snapshot(built_home)
    (item,) = duckdb.execute(
        "select title, price from read_parquet(?) where item_id = 'i00059'",
        [str(snapshot.mart("items"))],
    ).fetchall()
    assert item == ("last title", 2.5)
    (user,) = duckdb.execute(
        "select age_band from read_parquet(?) where user_id = 'u00079'",
        [str(snapshot.mart("users"))],
    ).fetchall()
    assert user == ("99",)
    carts = duckdb.execute(
        "select user_id from read_parquet(?) where event_type = 'cart' and session_id like 'feed%'",
        [str(snapshot.mart("events"))],
    ).fetchall()
    assert carts == [("u00008",)], "the other one was deleted"


def test_unchanged_landing_is_not_built_again(built_home: Settings) -> None:
    before = the_snapshot(built_home)
    report = build(built_home)
    assert (report.snapshot_id, report.status) == (before.id, "unchanged")
    assert report.rows["users"] == 80


def test_dbt_unit_tests_cover_every_feature_mart(built_home: Settings) -> None:
    """Windows and decays are compared with examples computed by hand."""
    arguments = ("test", "--select", "test_type:unit")
    target = run_dbt(built_home, read_landing(built_home), built_home.home, *arguments)
    results = json.loads((target / "run_results.json").read_text())["results"]
    tested = {result["unique_id"].split(".")[2] for result in results}
    features = {
        mart.name for mart in read_marts(target / "manifest.json") if mart.folder == "features"
    }
    assert features <= tested


@pytest.mark.parametrize("days", [7, 28, 91])
def test_user_statistics_equal_an_independent_as_of_query(built_home: Settings, days: int) -> None:
    snapshot = the_snapshot(built_home)
    wrong = duckdb.execute(
        f"""
        with expected as (
            select features.user_id, features.feature_at,
                count(distinct session_id) as orders, count(distinct item_id) as distinct_items,
                coalesce(sum(quantity), 0) as items, coalesce(sum(value), 0) as spend
            from '{snapshot.mart("user_statistics")}' as features
            left join '{snapshot.mart("events")}' as events
                on events.user_id = features.user_id and event_type = 'purchase'
                and event_at < feature_at and feature_at - event_at <= interval {days} days
            group by all
        )
        select * from expected join '{snapshot.mart("user_statistics")}' using (user_id, feature_at)
        where orders <> orders_{days}d or distinct_items <> distinct_items_{days}d
            or items <> items_{days}d or abs(spend - spend_{days}d) > 1e-6
        """
    ).fetchall()
    assert wrong == []


def test_item_statistics_equal_an_independent_as_of_query(built_home: Settings) -> None:
    snapshot = the_snapshot(built_home)
    wrong = duckdb.execute(
        f"""
        with sold as (
            select features.item_id, feature_at, user_id, count(*) as times,
                count(*) filter (feature_at - event_at <= interval 28 days) as times_28d,
                sum(0.5 ** (epoch(feature_at - event_at) / 86400 / 30)) as popularity
            from '{snapshot.mart("item_statistics")}' as features
            join '{snapshot.mart("events")}' as events
                on events.item_id = features.item_id and event_type = 'purchase'
                and event_at < feature_at
            group by all
        ),
        expected as (
            select item_id, feature_at, sum(times_28d) as purchases,
                count(*) filter (times_28d > 0) as buyers, sum(popularity) as popularity,
                count(*) filter (times > 1) / count(*) as repeat_share
            from sold group by all
        )
        select * from expected join '{snapshot.mart("item_statistics")}' using (item_id, feature_at)
        where purchases <> purchases_28d or buyers <> buyers_28d
            or abs(popularity - decayed_popularity) > 1e-6
            or abs(repeat_share - repeat_buyer_share) > 1e-9
        """
    ).fetchall()
    assert wrong == []


def test_late_events_change_later_rows_only_and_new_column_needs_no_python(
    built_home: Settings, tmp_path: Path
) -> None:
    """Purchases are added at the second last feature time; a column in SQL and YAML."""
    before = the_snapshot(built_home)
    project = tmp_path / "dbt"
    shutil.copytree(built_home.dbt_project, project)
    changed = landed_only(built_home, tmp_path / "changed", dbt_project=project)
    features = project / "models" / "marts" / "features"
    add_column(features / "user_profile", "is_renter", "boolean", "home_ownership = 'Renter'")
    assert identify(changed, read_landing(changed)) != before.id
    planted_at = datetime(2024, 4, 2)
    plant_purchases(changed, before, planted_at)

    after = Snapshot.open(changed, build(changed).snapshot_id)

    column = next(m for m in read_marts(after.manifest) if m.name == "user_profile").column(
        "is_renter"
    )
    assert column.type == "BOOLEAN"
    renters = f"select count(*) from '{after.mart('user_profile')}' where is_renter"
    assert duckdb.execute(renters).fetchall()[0][0] > 0
    for mart in WINDOWED:
        assert rows_changed(before, after, mart, f"feature_at <= '{planted_at}'") == 0, mart
        assert rows_changed(before, after, mart, f"feature_at > '{planted_at}'") > 0, mart


def test_killed_build_and_second_run_in_slices_give_the_same_marts(
    built_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = the_snapshot(built_home)
    home = landed_only(built_home, tmp_path / "killed", threads=2, duckdb_memory_mb=1000)
    program = (
        "from pathlib import Path; from penchant.building.build import build; "
        "from penchant.settings import Settings; "
        f"build(Settings(_env_file=None, home=Path({str(home.home)!r}), threads=2))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE
        while not list(home.snapshots.glob(".staging-*/marts/events.parquet")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not list(home.snapshots.glob("s-*"))

    monkeypatch.setattr(limits, "ROWS_A_SLICE_AND_MB", landed_events(home) / 2500)
    assert Limits.of(home).slices(landed_events(home)) == 3
    report = build(home)

    assert report.snapshot_id == undisturbed.id
    assert hashes(the_snapshot(home)) == hashes(undisturbed)
    assert not list(home.snapshots.glob(".staging-*"))


def test_empty_landing_error_names_the_command(settings: Settings) -> None:
    with pytest.raises(UsageError, match="penchant ingest"):
        build(settings)


def test_rejects_landing_without_events(built_home: Settings, tmp_path: Path) -> None:
    home = landed_only(built_home, tmp_path / "eventless")
    for table in ("events", "history", "impressions", "reviews", "questions"):
        for batch in home.landing.glob(f"*/{table}/[!_]*"):
            shutil.rmtree(batch)
    with pytest.raises(DataError, match="have no event"):
        build(home)


def rows_changed(before: Snapshot, after: Snapshot, mart: str, where: str) -> int:
    """Number of rows that are in one snapshot's mart only."""
    old = f"select * from '{before.mart(mart)}' where {where}"
    new = f"select * from '{after.mart(mart)}' where {where}"
    changed = f"({old} except all {new}) union all ({new} except all {old})"
    return duckdb.execute(f"select count(*) from ({changed})").fetchall()[0][0]


def add_column(mart: Path, name: str, kind: str, expression: str) -> None:
    """Add a column to a mart's SQL and YAML, as its first after the time."""
    sql, described = mart.with_suffix(".sql"), mart.with_suffix(".yml")
    sql.write_text(
        sql.read_text().replace("    age_band,", f"    {expression} as {name},\n    age_band,")
    )
    entry = f"      - {{name: {name}, data_type: {kind}, description: Added by a test.}}\n"
    first = "      - {name: age_band"
    described.write_text(described.read_text().replace(first, entry + first, 1))


def plant_purchases(settings: Settings, snapshot: Snapshot, at: datetime) -> None:
    """Land one more file: every user buys the first item at ``at``."""
    events = settings.landing / "simulator" / "events"
    original = json.loads(next(events.glob("*/batch.json")).read_text())
    batch = {**original, "sha256": "f" * 64, "original_name": "late.parquet"}
    folder = events / batch["sha256"]
    folder.mkdir()
    duckdb.execute(
        f"""
        copy (
            select 'late-' || user_id as event_id, user_id, 'late-' || user_id as session_id,
                (select min(item_id) from '{snapshot.mart("items")}') as item_id,
                'purchase' as event_type, 2::bigint as quantity, 5.0::double as value,
                null::varchar as query, ?::timestamp as event_at
            from '{snapshot.mart("users")}'
        ) to '{folder / "data.parquet"}' (format parquet)
        """,
        [at],
    )
    (folder / "batch.json").write_text(json.dumps(batch))


def test_outcomes_are_matched_with_impressions(built_home: Settings) -> None:
    """Three purchases were sent twice, and one has an unknown impression_id."""
    snapshot = the_snapshot(built_home)
    status = duckdb.execute(
        "select status, count(*), sum(copies) from read_parquet(?) group by status order by status",
        [str(snapshot.mart("outcomes"))],
    ).fetchall()
    assert status == [("matched", 9, 12), ("unmatched", 1, 1)]
    log = duckdb.execute(
        "select count(*), count_if(clicked), count_if(converted), sum(reward) "
        "from read_parquet(?) where policy = 'uniform'",
        [str(snapshot.mart("policy_log"))],
    ).fetchall()
    assert log == [(12, 6, 3, 7.5)]
