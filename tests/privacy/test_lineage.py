"""Where a personal column goes, on the simulator's shop."""

import re
from pathlib import Path

import pytest
from small_shop import release_of, write_run

from penchant.artifacts import Snapshot
from penchant.errors import UnknownId, UsageError
from penchant.privacy.column_lineage import ColumnLineage, TableColumn
from penchant.privacy.lineage import lineage_of
from penchant.settings import Settings


@pytest.fixture(scope="module")
def lineage(checked_once: Path) -> ColumnLineage:
    return ColumnLineage.of(next(checked_once.glob("snapshots/s-*/manifest.json")))


def test_a_column_is_followed_from_landed_rows_to_runs_and_releases(
    checked_home: Settings, published_once: Path
) -> None:
    snapshot = Snapshot.live(checked_home)
    ranker = write_run(checked_home.runs / snapshot.id, "sasrec", 1, vectors=True)
    ad_family = write_run(checked_home.runs / snapshot.id, "linear_response", 2, vectors=False)
    release = release_of(checked_home, snapshot.id, published_once)

    report = lineage_of(checked_home, "simulator/users.age_band")

    assert report.landed == ("simulator/users.age_band",)
    assert report.models == {
        "int_users.age_band": "-",
        "stg_simulator__users.age_band": "-",
        "user_profile.age_band": "quasi",
        "users.age_band": "quasi",
    }
    assert report.features == {"user_profile.age_band": "quasi"}
    assert report.services == ("portrait", "ranking", "response")
    assert {"sasrec", "lambdamart"} < set(report.families)
    assert "linear_response" not in report.families
    assert report.runs == {ranker: "sasrec"} and ad_family not in report.runs
    assert report.releases == (release,)
    assert "user_profile.age_band (quasi)" in report.summary()


def test_a_name_without_a_table_means_every_table(lineage: ColumnLineage) -> None:
    tables = {each.table for each in lineage.named("age_band")}
    assert {"feedback/users", "simulator/users", "users"} < tables
    assert {each.table for each in lineage.named("users.age_band")} == {
        "feedback/users",
        "simulator/users",
        "users",
    }
    assert lineage.named("simulator.users.age_band") == lineage.named("simulator/users.age_band")


def test_a_feature_leads_back_to_landed_rows(lineage: ColumnLineage) -> None:
    landed = lineage.landed_behind(lineage.named("user_affinities.top_categories"))
    assert {"simulator/items.category_2", "simulator/events.user_id"} < set(map(str, landed))


def test_unions_are_paired_by_name(lineage: ColumnLineage) -> None:
    """Sources have their columns in different orders."""
    for column in ("item_id", "quantity", "query", "session_id"):
        landed = lineage.landed_behind([TableColumn("int_events", column)])
        assert {each.column for each in landed} == {column}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("age_bnd", "age_band"),
        ("users.age_bnd", "age_band"),
        ("customers.age_band", "age_band"),
        ("", "dbt's documentation"),
        ("%'; drop", "dbt's documentation"),
    ],
)
def test_an_unknown_column_is_an_error_with_near_names(
    lineage: ColumnLineage, name: str, near: str
) -> None:
    with pytest.raises(UnknownId, match=re.escape(repr(name))) as error:
        lineage.named(name)
    assert near in error.value.remedy


def test_a_home_without_a_snapshot_is_an_error(settings: Settings) -> None:
    with pytest.raises(UsageError, match="no snapshot"):
        lineage_of(settings, "age_band")
