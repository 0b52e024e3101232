"""The report's section on interests: who is above what habits alone predict, or why it is empty."""

from typing import Any

from penchant.report.interests import METRICS, interests_section


def figure(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def evaluated(auc: float, over: float) -> dict[str, Any]:
    metrics = {name: figure(0.5) for name in METRICS} | {"auc_macro": figure(auc)}
    baselines = {"base rate": metrics, "own habit": metrics, "fitted habits": metrics}
    return {
        "level": 2,
        "titles": ["Food > <Bread>", "Home > Milk"],
        "left_out": 7,
        "users": 1234,
        "metrics": metrics,
        "baselines": baselines,
        "over": {name: {"auc_macro": figure(over)} for name in baselines},
        "reliability": {"itself": [{"probability": 0.1, "rate": figure(0.1), "share": 1.0}]},
        "by_interest": [
            {"title": "Food > <Bread>", "rate": 0.4, "auc": 0.9},
            {"title": "Home > Milk", "rate": 0.0, "auc": None},
        ],
        "fit_seconds": 12.3,
        "peak_memory_bytes": 5e8,
    }


def test_shows_families_best_first_beside_the_habit_baseline() -> None:
    html = interests_section([("pca_svm", evaluated(0.7, -0.05)), ("lstm", evaluated(0.8, 0.05))])
    assert html.index("predicted by lstm") < html.index("predicted by pca svm")
    assert '<span class="good">+0.0500' in html and '<span class="bad">-0.0500' in html
    assert "1,234 known users" in html and "7 rarer categories" in html
    assert "Food &gt; &lt;Bread&gt;" in html and "<Bread>" not in html
    assert "Home &gt; Milk" not in html, "nobody acted on it: nothing to predict"
    assert html.count("fitted habits") > 2 and "12.3" in html


def test_without_interests_it_says_why() -> None:
    missing = {"missing": "the catalogue has no categories", "remedy": "fill category_1"}
    html = interests_section([("lstm", missing)])
    assert "the catalogue has no categories; fill category_1" in html and "<svg" not in html
