"""The report: whole, self-contained, escaped, and written from what is live."""

from html.parser import HTMLParser
from typing import Any

import pytest

from penchant.charts import Point, Scale, cost_plot, interval_plot
from penchant.errors import UsageError
from penchant.report import report
from penchant.serving.publish import publish
from penchant.settings import Settings

ONE = "s-20180102-000000000001"


class Balance(HTMLParser):
    """Fails on a tag that is closed out of order, and collects what a browser would fetch."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(shop: Any) -> None:
    live = publish(shop.settings, ONE)

    written = report(shop.settings)

    html = written.path.read_text()
    parser = Balance()
    parser.feed(html)
    assert (parser.open, parser.fetched) == ([], [])
    assert written.path.name == f"{live.generation_id}.html"
    for expected in (
        "matrix factorization",
        "goes live",
        "TITLE i",
        "<svg",
        "ranked lists",
    ):
        assert expected in html


def test_three_shoppers_with_purchases_latest_first_and_recommendations(shop: Any) -> None:
    publish(shop.settings, ONE)
    written = report(shop.settings)

    assert len(written.shoppers) == 3
    for shopper in written.shoppers:
        days = [purchase.day for purchase in shopper.purchases]
        assert days == sorted(days, reverse=True)
        assert len(shopper.purchases) == len(shopper.recommended) == 5
    assert written.shoppers == report(shop.settings).shoppers
    assert {family["family"] for family in written.families} == {
        "popularity",
        "matrix_factorization",
    }


def test_nothing_live_is_a_clear_error(settings: Settings) -> None:
    with pytest.raises(UsageError, match="penchant publish"):
        report(settings)


def test_plots_escape_what_they_label_and_place_by_value() -> None:
    point = Point(0.2, 0.1, 0.3, "all")
    assert "&lt;b&gt;" in interval_plot([("<b>", [point])], "NDCG")
    assert "&lt;b&gt;" in cost_plot([("<b>", 1.0, point)], "seconds", "NDCG")
    assert Scale(0.0, 2.0, 100.0, 300.0).at(1.0) == 200.0
    assert Scale(1.0, 100.0, 0.0, 2.0, logarithmic=True).at(10.0) == pytest.approx(1.0)
    assert Scale(0.0, 0.52, 0.0, 1.0).ticks() == pytest.approx([0.0, 0.2, 0.4])
