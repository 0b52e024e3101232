"""The report's section on transfer."""

from typing import Any

from penchant.report.transfer import transfer_section


def test_adopted_and_rejected_categories_are_shown_with_the_curve() -> None:
    verdict = {"users": 90, "gain": 0.1, "low": 0.05, "high": 0.15, "reason": "+0.1 over it"}
    categories = [
        {"category": "Toys & <games>", "status": "adopted", "served": "transfer", "share": 0.25},
        {"category": "Florist", "status": "rejected", "served": "popularity", "share": 0.0},
    ]
    ndcg = {"mean": 0.4, "low": 0.3, "high": 0.5}
    curve = [
        {"share": share, "way": way, "ndcg": ndcg, "events": 60}
        for share in (0.05, 1.0)
        for way in ("transfer", "full", "scratch", "popularity")
    ]
    one: dict[str, Any] = {
        "categories": [each | verdict for each in categories],
        "curve": curve,
    }
    html = transfer_section([("transfer", one)])
    assert "1 of 2" in html and "25%" in html and "Toys &amp; &lt;games&gt;" in html
    assert html.count("<circle") == len(curve)
    assert "5% of the target" in html


def test_without_a_small_category_there_is_no_section() -> None:
    assert transfer_section([("transfer", {"categories": [], "curve": []})]) == ""
