"""The report: whole, self-contained, escaped, and written from what is live."""

from html.parser import HTMLParser
from typing import Any

import pytest

from penchant.artifacts import ModelSelection, Snapshot
from penchant.errors import UsageError
from penchant.plots.charts import (
    Point,
    Priced,
    Scale,
    beside,
    cost_plot,
    interval_plot,
    pareto_front,
)
from penchant.publishing.publish import publish
from penchant.report.figures import figures
from penchant.report.fusion import fusion_section
from penchant.report.report import report, reported
from penchant.serving.status import status
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
    assert written.path.name == f"{live.release_id}.html"
    for expected in (
        "matrix factorization",
        "goes live",
        "TITLE i",
        "<svg",
        "ranked lists",
    ):
        assert expected in html


def test_three_users_with_purchases_latest_first_and_recommendations(published: Any) -> None:
    written = report(published.settings)

    assert len(written.users) == 3
    for user in written.users:
        days = [purchase.day for purchase in user.purchases]
        assert days == sorted(days, reverse=True)
        assert len(user.purchases) == len(user.recommended) == 5
    assert written.users == report(published.settings).users == reported(published.settings).users
    assert {family["family"] for family in written.families} == {
        "popularity",
        "matrix_factorization",
    }


def test_what_only_one_family_foresaw(shop: Any) -> None:
    live = publish(shop.settings, ONE)
    state = status(shop.settings)
    assert state["live_release"]["id"] == live.release_id
    snapshot = Snapshot.open(shop.settings, ONE)
    drawn = figures(shop.settings, snapshot, state["families"], None)
    first, second = drawn.found
    assert (first.family, first.only, first.users) == ("matrix_factorization", 1, 1)
    assert (second.family, second.only, second.found) == ("popularity", 0, first.found - 1)
    assert len(drawn.warmth.groups) == 4
    assert all(len(means) == 4 for means in drawn.warmth.means.values())
    assert (drawn.places, drawn.categories) == ([], ())


def test_report_lists_failed_families_with_their_cause(published: Any) -> None:
    selection = ModelSelection.of(published.settings, ONE)
    failures = {"vae": "training took more than its 240 s"}
    changed = selection.model_copy(update={"failures": failures})
    changed.write(ModelSelection.path(published.settings, ONE))
    html = report(published.settings).path.read_text()
    assert "vae has no run: training took more than its 240 s" in html


def test_the_pareto_front_and_labels_that_cover_nothing() -> None:
    def priced(name: str, cost: float, mean: float) -> Priced:
        return Priced(name, cost, Point(mean, mean, mean, "all"))

    rows = [priced("b", 2, 0.3), priced("worse", 3, 0.2), priced("a", 1, 0.1), priced("c", 9, 0.4)]
    assert [row.label for row in pareto_front(rows)] == ["a", "b", "c"]
    places = beside([(100.0, 100.0)] * 4, ["family"] * 4, 0.0, 400.0)
    assert len(set(places)) == 4


def test_nothing_live_is_a_clear_error(settings: Settings) -> None:
    with pytest.raises(UsageError, match="penchant publish"):
        report(settings)


def test_plots_escape_what_they_label_and_place_by_value() -> None:
    point = Point(0.2, 0.1, 0.3, "all")
    assert "&lt;b&gt;" in interval_plot([("<b>", [point])], "NDCG")
    assert "&lt;b&gt;" in cost_plot([Priced("<b>", 1.0, point)], "seconds", "NDCG")
    assert Scale(0.0, 2.0, 100.0, 300.0).at(1.0) == 200.0
    assert Scale(1.0, 100.0, 0.0, 2.0, logarithmic=True).at(10.0) == pytest.approx(1.0)
    assert Scale(0.0, 0.52, 0.0, 1.0).ticks() == pytest.approx([0.0, 0.2, 0.4])


def test_what_fusion_listens_to_is_drawn_where_something_was_fused() -> None:
    drawn = fusion_section({"user_cf": [0.1, 0.2, 0.0, -0.01], "popularity": [0.0, 0.0, 0.1, 0.3]})
    assert drawn.index("popularity") < drawn.index("user cf")
    assert "warmest quarter" in drawn and "<svg" in drawn
    assert fusion_section({}) == ""
