"""What the report and the console show of insights."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from planted_insights import publish_audience, publish_comparison, publish_search
from planted_retention import SNAPSHOT, orders, write_shop

from penchant.api.app import create_app
from penchant.artifacts import Snapshot
from penchant.artifacts.audience import AudienceRecord
from penchant.insights.shown.published import published_sections
from penchant.report.insights import insights_sections
from penchant.settings import Settings


@pytest.fixture
def shown(settings: Settings) -> Settings:
    write_shop(settings, orders(users=2))
    publish_search(settings, SNAPSHOT)
    publish_audience(settings, SNAPSHOT, {"new": ["u1"]})
    publish_comparison(settings, SNAPSHOT, "i1")
    return settings


def test_published_insights_have_sections_with_plots(shown: Settings) -> None:
    search, audience, competitor = published_sections(shown)
    assert search.rows == [] and "s-20240401" in search.text
    assert search.plot.index("all signals") < search.plot.index(">text<"), "best first"
    assert audience.rows == [["New new", "<Tea> (50%, of all 25%)"]]
    assert competitor.title == "Competitor rival" and "<svg" in competitor.plot
    assert competitor.rows == [["Bike", "99.00", "", "0.0%"]]


def test_frequent_queries_are_listed_with_what_followed(shown: Settings) -> None:
    names = ("query", "searches", "users", "followed", "bought")
    rows = [("tea", 4, 2, 2, 1), ("lamp", 20, 9, 0, 0)]
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    pq.write_table(table, Snapshot.live(shown).mart("search_queries"))
    search = published_sections(shown)[0]
    assert search.rows == [["lamp", "20", "9", "0%", "0%"], ["tea", "4", "2", "50%", "25%"]]


def test_vectors_are_counted_by_kind(shown: Settings) -> None:
    live = Snapshot.live(shown)
    pq.write_table(pa.table({"item_id": ["a", "b", "c", "d"]}), live.mart("items"))
    vectors = {"kind": ["image", "text", "image"], "dimensions": [8, 2, 8]}
    pq.write_table(pa.table(vectors), live.mart("item_embeddings"))
    section = published_sections(shown)[-1]
    assert section.anchor == "vectors"
    assert section.rows == [["image", "2", "8"], ["text", "1", "2"]]
    pq.write_table(pa.table(vectors).slice(0, 0), live.mart("item_embeddings"))
    assert published_sections(shown)[-1].anchor != "vectors"


def test_insight_of_an_earlier_version_says_what_to_do_beside_the_others(shown: Settings) -> None:
    path = AudienceRecord.path(shown, SNAPSHOT)
    path.write_text(path.read_text().replace('"launches"', '"started"'))
    _, audience, competitor = published_sections(shown)
    assert "launches: Field required" in audience.text and "rank-audiences" in audience.text
    assert competitor.title == "Competitor rival"
    publish_audience(shown, SNAPSHOT, {"newer": ["u1"]})
    assert published_sections(shown)[1].rows[0][0] == "New newer", "the remedy replaces it"


def test_report_and_console_escape_what_they_show(shown: Settings) -> None:
    page = TestClient(create_app(shown)).get("/console/insights").text
    for html in (page, "".join(insights_sections(shown))):
        assert "Audiences of new items" in html and "&lt;Tea&gt; (50%" in html
        assert "<Tea>" not in html and "<svg" in html
