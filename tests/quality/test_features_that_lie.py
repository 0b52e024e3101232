"""Features that an edit empties, drops or makes depend on the clock do not go live."""

import json

import pytest
from small_snapshot import FIRST, SECOND, edit_mart

from penchant.artifacts import Snapshot
from penchant.building.volatile import volatile_calls
from penchant.errors import DataError
from penchant.manifest import read_marts
from penchant.quality.check import check
from penchant.settings import Settings


def test_column_without_values_is_critical_where_it_had_some(
    settings: Settings, second: Snapshot
) -> None:
    edit_mart(second, "user_statistics", "select * replace (null::bigint as orders_28d) from mart")
    with pytest.raises(DataError, match=r'user_statistics: values: .*"orders_28d"'):
        check(settings, SECOND)
    assert settings.live_snapshot.current() == FIRST


def test_column_that_vanished_is_critical_unless_retired(
    settings: Settings, second: Snapshot
) -> None:
    first = Snapshot.open(settings, FIRST)
    edit_mart(first, "user_statistics", "select *, 1::bigint as visits_28d from mart")
    with pytest.raises(DataError, match=r'user_statistics: served_columns: .*"visits_28d"'):
        check(settings, SECOND)
    manifest = json.loads(second.manifest.read_text())
    [mart] = [one for one in manifest["nodes"].values() if one.get("name") == "user_statistics"]
    mart["config"]["meta"]["feature_view"] = {"retired": ["visits_28d"]}
    second.manifest.write_text(json.dumps(manifest))
    check(settings, SECOND)
    assert settings.live_snapshot.current() == SECOND


def test_unknown_meta_key_is_named(first: Snapshot) -> None:
    right = first.manifest.read_text()
    first.manifest.write_text(right.replace('"min": 0', '"minimum": 0', 1))
    with pytest.raises(DataError, match="unknown meta key 'minimum'"):
        read_marts(first.manifest)
    manifest = json.loads(right)
    mart = next(one for one in manifest["nodes"].values() if one.get("name") == "user_statistics")
    mart["config"]["meta"]["feature_view"] = {"retire": ["visits_28d"]}
    first.manifest.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="user_statistics, feature_view: unknown meta key 'retire'"):
        read_marts(first.manifest)


@pytest.mark.parametrize(
    ("sql", "used"),
    [
        ("select current_date as today", {"current_date"}),
        ("select now() - event_at, RANDOM () from t", {"now", "random"}),
        ("select * from t using sample 10%", {"using sample"}),
        ("select uuid() -- now()\nfrom t /* random() */", {"uuid"}),
        ("select 'now()' as text, known, today, \"random()\" from t", set()),
    ],
)
def test_clock_and_chance_in_a_model_are_found(sql: str, used: set[str]) -> None:
    assert volatile_calls(sql) == used
