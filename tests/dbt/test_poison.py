"""Whatever the API acknowledges can be built, and so can what landed before there were bounds."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import hypothesis
import pytest
from fastapi.testclient import TestClient
from hypothesis import strategies as st

from penchant.api.app import create_app
from penchant.api_schemas import MAX_QUANTITY, MAX_VALUE
from penchant.artifacts import Snapshot
from penchant.building.build import build
from penchant.ingestion.ingest import ingest
from penchant.ingestion.landing.canonical import CANONICAL_TABLES
from penchant.settings import Settings

IDS = st.one_of(
    st.sampled_from(["u00001", "i00001", "' or 1=1", "a\u00e9\u4e2d", "x" * 128]),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20).filter(
        str.strip
    ),
)
QUANTITIES = st.one_of(st.none(), st.sampled_from([0, MAX_QUANTITY]), st.integers(0, MAX_QUANTITY))
VALUES = st.one_of(
    st.none(),
    st.sampled_from([MAX_VALUE, -MAX_VALUE, 1e-300, -0.0]),
    st.floats(-MAX_VALUE, MAX_VALUE),
)
EVENTS = st.fixed_dictionaries(
    {
        "event_id": IDS,
        "user_id": IDS,
        "session_id": IDS,
        "event_type": st.sampled_from(["view", "cart", "purchase", "rating", "search", "return"]),
        "item_id": IDS,
        "quantity": QUANTITIES,
        "value": VALUES,
        "query": st.one_of(st.none(), st.text(max_size=50)),
        "impression_id": st.one_of(st.none(), st.sampled_from(["m0-0", "m1-0"])),
        "minutes_ago": st.integers(0, 30 * 24 * 60 - 1),
    }
)


def at(minutes_ago: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()


def test_bounds_of_the_api_are_those_of_the_canonical_table() -> None:
    columns = CANONICAL_TABLES["events"]["columns"]
    bounds = [columns[name][side] for name in ("quantity", "value") for side in ("min", "max")]
    assert bounds == [-MAX_QUANTITY, MAX_QUANTITY, -MAX_VALUE, MAX_VALUE]


@pytest.mark.long
def test_whatever_is_acknowledged_can_be_built(built_home: Settings) -> None:
    free = built_home.model_copy(update={"requests_a_second": 1e9})
    client, acknowledged = TestClient(create_app(free)), 0

    @hypothesis.given(st.lists(EVENTS, min_size=1, max_size=20))
    @hypothesis.settings(max_examples=100, deadline=None, database=None, derandomize=True)
    def post(events: list[dict[str, Any]]) -> None:
        nonlocal acknowledged
        sent = [
            {name: value for name, value in each.items() if name != "minutes_ago"}
            | {"event_at": at(each["minutes_ago"])}
            for each in events
        ]
        answer = client.post("/v1/events", json={"events": sent})
        assert answer.status_code in (202, 409, 422), answer.text
        acknowledged += answer.status_code == 202

    post()
    richest = {"event_type": "purchase", "quantity": MAX_QUANTITY, "value": MAX_VALUE}
    named = {"user_id": "u00000", "session_id": "s", "item_id": "i00001", "impression_id": "m0-0"}
    purchases = [
        {"event_id": f"p{number}", "event_at": at(5), **named, **richest} for number in range(500)
    ]
    assert client.post("/v1/events", json={"events": purchases}).status_code == 202
    assert acknowledged > 20
    assert ingest(built_home, "feedback").quarantined == []
    # within the data, where every window sees them
    report = build(built_home.model_copy(update={"as_of": datetime.now() + timedelta(days=1)}))
    assert report.status == "built" and report.rejected == 0


@pytest.mark.long
def test_landed_rows_beyond_the_bounds_are_left_out(built_home: Settings) -> None:
    (batch,) = [
        path.parent for path in (built_home.landing / "feedback" / "events").glob("*/batch.json")
    ]
    poisoned = batch.with_name("f" * 64)
    shutil.copytree(batch, poisoned)
    described = json.loads((poisoned / "batch.json").read_text())
    described |= {"sha256": poisoned.name, "original_name": "events-20991231T000000000000.jsonl"}
    (poisoned / "batch.json").write_text(json.dumps(described))
    duckdb.execute(
        f"copy (select * replace (event_id || ' poison' as event_id, "
        f"case when event_type = 'purchase' then 1e15 end as value) "
        f"from '{batch}/data.parquet') to '{poisoned}/data.parquet' (format parquet)"
    )
    rich = duckdb.execute(
        f"select count(*) from '{poisoned}/data.parquet' where value > 1e9"
    ).fetchall()[0][0]
    report = build(built_home)
    assert report.rejected == rich > 0 and "beyond bounds" in report.summary()
    kept = built_home.quarantine / "feedback" / "events" / "rejected_rows.parquet"
    assert duckdb.execute(f"select count(*) from '{kept}'").fetchall() == [(rich,)]
    events = Snapshot.open(built_home, report.snapshot_id).mart("events")
    assert duckdb.execute(f"select max(value) < 1e9 from '{events}'").fetchall() == [(True,)]
