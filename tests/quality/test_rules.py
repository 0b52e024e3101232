"""Expectations are derived from the manifest."""

from dataclasses import replace
from datetime import datetime

import pytest

from penchant.artifacts import Snapshot
from penchant.errors import DataError
from penchant.manifest import read_marts
from penchant.quality.rules import Evidence, History, rules_of


def expected(first: Snapshot, name: str, history: History | None = None) -> set[tuple[str, ...]]:
    """(expectation, column, severity) of a mart's rules."""
    mart = next(mart for mart in read_marts(first.manifest) if mart.name == name)
    columns = {column.name: column.type for column in mart.columns}
    rules = rules_of(mart, Evidence(columns, datetime(2024, 3, 1), 1000, history))
    return {(rule.name.removeprefix("expect_"), rule.column or "", rule.severity) for rule in rules}


def test_rules_follow_from_the_manifest(first: Snapshot) -> None:
    assert expected(first, "events") == {
        ("table_columns_to_match_ordered_list", "", "critical"),
        ("column_types", "", "critical"),
        ("not_null", "", "critical"),
        ("primary_key", "event_id", "critical"),
        ("bounds", "", "critical"),
        ("column_values_to_be_in_set", "event_type", "critical"),
        ("finite", "", "critical"),
        ("relationship", "user_id", "critical"),
        ("not_in_the_future", "event_at", "critical"),  # ingested_at is a wall clock
        ("fresh", "event_at", "critical"),
        ("table_row_count_to_equal", "", "critical"),
        ("table_row_count_to_be_between", "", "critical"),
    }


def test_an_empty_mart_of_insights_that_is_no_feature_view_is_no_warning(first: Snapshot) -> None:
    statistics = next(m for m in read_marts(first.manifest) if m.name == "user_statistics")
    evidence = Evidence({}, datetime(2024, 3, 1), 0, None)
    for meta, warned in (({}, False), ({"feature_view": {}}, True)):
        mart = replace(statistics, folder="insights", meta=meta)
        found = {rule.description for rule in rules_of(mart, evidence)}
        assert ("the mart is not empty" in found) == warned


def test_history_adds_volume_and_drift(first: Snapshot) -> None:
    added = expected(first, "user_statistics", History(800, {"orders_28d": 0.1})) - expected(
        first, "user_statistics"
    )
    assert added == {
        ("table_row_count_to_be_between", "", "critical"),
        ("drift", "", "warning"),
    }


def test_rejects_aligned_with_unknown_column(first: Snapshot) -> None:
    text = first.manifest.read_text().replace('"aligned_with": "top', '"aligned_with": "pot')
    first.manifest.write_text(text)
    with pytest.raises(DataError, match="top_category_weights: aligned_with: unknown column"):
        expected(first, "user_statistics")
