"""Training sets: Feast's point-in-time join equals an ASOF join in SQL."""

from datetime import datetime

import duckdb
import pyarrow.parquet as pq
import pytest
from feature_home import write_snapshot

from penchant.artifacts import Snapshot
from penchant.features.training_sets import training_sets
from penchant.settings import Settings

A = "s-20180102-00000000000a"
CUTOFF = datetime(2017, 12, 5)  # 28 days before as_of

AS_OF_JOIN = """
    SELECT impression_id, statistics.spend_28d, statistics.feature_at, affinities.feature_at
    FROM '{marts}/ad_responses.parquet' AS shown
    ASOF LEFT JOIN '{marts}/user_statistics.parquet' AS statistics
        ON shown.user_id = statistics.user_id AND shown.shown_at >= statistics.feature_at
    ASOF LEFT JOIN '{marts}/user_affinities.parquet' AS affinities
        ON shown.user_id = affinities.user_id AND shown.shown_at >= affinities.feature_at
    ORDER BY impression_id
"""


@pytest.mark.parametrize("timezone", ["UTC", "America/New_York"])
def test_joins_features_as_of_each_row(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, timezone: str
) -> None:
    import time

    monkeypatch.setenv("TZ", timezone)
    time.tzset()
    folder = write_snapshot(settings, A, impressions=400)
    report = training_sets(settings, A)
    assert report.status == "assembled" and report.rows["ad_responses"] == 400
    path = Snapshot.open(settings, A).training_set("ad_responses")
    got = duckdb.execute(
        "SELECT impression_id, user_statistics__spend_28d, user_statistics__feature_time, "
        f"user_affinities__feature_time FROM '{path}' ORDER BY impression_id"
    ).fetchall()
    shown_at = dict(duckdb.execute(f"SELECT impression_id, shown_at FROM '{path}'").fetchall())
    expected = []
    for impression, spend, at, affinities_at in duckdb.execute(
        AS_OF_JOIN.format(marts=folder / "marts")
    ).fetchall():
        expired = at is not None and (shown_at[impression] - at).total_seconds() > 60 * 86_400
        expected.append(
            (impression, None, None, affinities_at)
            if expired
            else (impression, spend, at, affinities_at)
        )
    assert got == expected
    assert any(row[1] is None for row in got) and any(row[1] is not None for row in got)
    assert training_sets(settings, A).status == "unchanged"


def test_keeps_labels(settings: Settings) -> None:
    folder = write_snapshot(settings, A)
    training_sets(settings, A)
    path = Snapshot.open(settings, A).training_set("ad_responses")
    labels = "impression_id, user_id, shown_at, converted, reward"
    assert (
        duckdb.execute(f"SELECT {labels} FROM '{path}' ORDER BY 1").fetchall()
        == duckdb.execute(
            f"SELECT {labels} FROM '{folder}/marts/ad_responses.parquet' ORDER BY 1"
        ).fetchall()
    )
    assert "user_statistics__secret" not in pq.read_schema(path).names


def test_no_impressions_give_an_empty_set_with_the_same_schema(settings: Settings) -> None:
    full, none = A, "s-20180102-00000000000b"
    write_snapshot(settings, full)
    write_snapshot(settings, none, impressions=0)
    for snapshot_id in (full, none):
        training_sets(settings, snapshot_id)
    schemas = [
        pq.read_schema(Snapshot.open(settings, snapshot_id).training_set("ad_responses"))
        for snapshot_id in (full, none)
    ]
    assert schemas[0].equals(schemas[1])
    assert training_sets(settings, none).rows == {
        "ad_responses": 0,
        "campaign_spending": 0,
        "ad_candidates": 0,
    }


def test_campaign_row_has_features_as_of_its_first_day(settings: Settings) -> None:
    write_snapshot(settings, A)
    training_sets(settings, A)
    path = Snapshot.open(settings, A).training_set("campaign_spending")
    rows = duckdb.execute(
        f"SELECT offer_id, sent, user_statistics__feature_time FROM '{path}' ORDER BY ALL LIMIT 2"
    ).fetchall()
    assert rows == [("c1-u0", True, CUTOFF), ("c1-u1", False, CUTOFF)]
