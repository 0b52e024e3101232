"""Rows of figures, their Markdown table and their summary."""

import json

import pytest

from benchmarks.rows import Row, summary_json, table


@pytest.mark.parametrize(
    ("target", "met"),
    [("<= 2", True), ("<= 1", False), (">= 4 x", True), (">= 6 x", False), (None, None)],
)
def test_target_compares_the_figure_or_its_ratio_to_the_peer(target, met):
    row = Row("an epoch", 2.0, "s", target, peer=10.0, peer_name="somebody")
    assert row.ratio == 0.2
    assert row.met is met


def test_table_marks_missed_targets_and_leaves_out_empty_columns():
    lines = table([Row("build", 1234.5, "s", "<= 1000").as_dict()]).splitlines()
    assert lines[0] == "| what | measured | target |"
    assert lines[2] == "| build | 1,234 s | <= 1000, missed |"


def test_row_is_equal_after_a_round_trip_through_its_record():
    row = Row("an epoch", 2.0, "s", ">= 4 x", 10.0, "somebody", 300.0, 70.5)
    assert Row.from_dict(json.loads(json.dumps(row.as_dict()))) == row


def test_summary_is_valid_json_with_rounded_numbers():
    figures = {"rows": [{"what": "a", "ours": 1 / 3}] * 40}
    assert json.loads(summary_json(figures))["rows"][0]["ours"] == 0.333333
