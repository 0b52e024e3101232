"""The report's section on synthetic users."""

from penchant.report.generation import generation_section


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}


VARIETY = dict.fromkeys(
    ("distinct_2", "distinct_3", "item_entropy", "category_entropy", "bought_before"), 0.25
)
FIGURES = {
    "histories": 600,
    "headline": "synthetic histories do not help a ranker",
    "utility": {"ranking": {"difference": interval(-0.01)}},
    "two_sample_auc": {"items": interval(0.8), "all": interval(0.9)},
    "diversity": {
        kind: VARIETY | {"items": 1234.0, "nearest_other": 0.5} for kind in ("real", "synthetic")
    },
    "privacy": {"copies": 0, "rejected": 3, "membership_auc": interval(0.5)},
}
MISSING = {"headline": "", "missing": "all <histories> were somebody's", "remedy": "land more"}


def test_reports_utility_of_synthetic_histories_and_missing_families() -> None:
    page = generation_section([("gan", FIGURES), ("vae", MISSING)])
    assert "do not help a ranker" in page and page.count("<svg") == 3
    assert "1,234" in page and "real users" in page
    assert "vae: all &lt;histories&gt; were somebody&#x27;s; land more." in page


def test_draws_nothing_without_synthetic_histories() -> None:
    assert "<svg" not in generation_section([("vae", MISSING)])
