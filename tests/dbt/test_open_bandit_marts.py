"""From Open Bandit's wheel to the marts."""

import hashlib
from pathlib import Path

import duckdb
import pytest
from small_wheel import write_wheel

from penchant.artifacts import Snapshot
from penchant.building.build import build
from penchant.ingestion.ingest import ingest
from penchant.ingestion.sources import open_bandit
from penchant.settings import Settings


def test_logged_exploration_becomes_marts(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = write_wheel(tmp_path / "wheels")
    monkeypatch.setattr(open_bandit, "SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    ingest(settings, "open_bandit", wheel.parent)
    snapshot = Snapshot.open(settings, build(settings).snapshot_id)

    def rows(query: str, mart: str) -> list[tuple[object, ...]]:
        return duckdb.execute(
            f"{query} from read_parquet(?) order by all", [str(snapshot.mart(mart))]
        ).fetchall()

    assert snapshot.as_of.isoformat() == "2019-11-25T00:00:00"
    shown = rows("select policy, item_id, ad_id, position, propensity, clicked", "impressions")
    assert len(shown) == 12
    assert shown[2] == ("bts", "men-0", "men", 0, 0.75, False)
    assert shown[3] == ("bts", "men-1", "men", 2, 0.75, True)
    assert rows("select user_id", "users") == [("a1b2c3d4-f1-f2-f3",)]
    assert rows("select event_type, item_id", "events") == [
        ("view", f"{campaign}-1") for campaign in ("all", "men", "women")
    ]
    assert rows("select count(*), min(category_1)", "items") == [(6, "random3")]
    assert rows("select count(*), min(starts_on), max(ends_on)", "campaigns")[0][0] == 6
    # a week has no feature times, so no response has features
    assert rows("select count(*)", "ad_responses") == [(0,)]
