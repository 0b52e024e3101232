"""The report's section on ranking quality shows every leaderboard metric."""

from typing import Any

from penchant.report.ranking import quality_section


def ranked(family: str, beyond_accuracy: dict[str, Any] | None) -> dict[str, Any]:
    ndcg = {"mean": 0.4, "low": 0.3, "high": 0.5}
    return {
        "family": family,
        "roles": [],
        "metrics": {"all": {"ndcg@10": ndcg, "recall@10": ndcg}},
        "beyond_accuracy": beyond_accuracy,
    }


def test_leaderboard_has_a_column_for_each_beyond_accuracy_metric_and_population() -> None:
    found = {"all": {"coverage": 0.25, "gini": 0.875}, "new": {"coverage": 0.5, "gini": None}}
    page = quality_section([ranked("ease", found), ranked("sasrec", None)], None)
    for title in ("coverage, all", "coverage, new", "gini, all", "gini, new"):
        assert title in page
    assert "0.250" in page and "0.875" in page


def test_without_beyond_accuracy_metrics_there_is_one_table() -> None:
    page = quality_section([ranked("ease", None)], None)
    assert page.count("<table") == 1
