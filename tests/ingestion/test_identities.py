"""Ids of several sources in one home: apart, unless a table of identities links them."""

from datetime import datetime
from pathlib import Path

import duckdb
import jinja2
import pytest

from penchant.artifacts import Snapshot
from penchant.building.build import build
from penchant.building.landed import read_landing
from penchant.errors import UsageError
from penchant.identities import Identities, Links, linked, write_identities
from penchant.ingestion.ingest import ingest
from penchant.privacy.erase import erase
from penchant.pseudonyms import Coder, Pseudonyms
from penchant.settings import PROJECT_ROOT, Settings
from penchant.subjects import Subjects

TABLES = """
tables:
  events:
    path: {channel}.csv
    columns: {{event_id: id, user_id: customer, session_id: id, item_id: sku, event_at: at}}
    constants: {{event_type: purchase}}
"""
LINKED = """source: till
tables:
  user_identities:
    path: cards.csv
    whole_table: true
    columns: {user_id: card, subject: customer}
  item_identities: {path: plu.csv, columns: {item_id: plu, subject: sku}}
"""
FILES = {
    "web.yml": TABLES.format(channel="web"),
    "till.yml": "source: till" + TABLES.format(channel="till"),
    "links.yml": LINKED,
    "web.csv": "id,customer,sku,at\n1,ann,a,2024-03-01 10:00:00\n2,17,b,2024-03-01 11:00:00\n",
    "till.csv": "id,customer,sku,at\n1,17,a,2024-03-02 10:00:00\n2,18,900,2024-03-02 11:00:00\n"
    "3,,900,2024-03-02 12:00:00\n",
    "cards.csv": "card,customer\n17,ann\n",
    "plu.csv": "plu,sku\n900,b\n",
}
USERS_AND_ITEMS = "select user_id, item_id from read_parquet(?) order by event_at"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def land(settings: Settings, shop: Path, *mappings: str) -> None:
    for name in mappings:
        assert not ingest(settings, "files", shop, shop / f"{name}.yml").quarantined


def landed(settings: Settings) -> list[tuple[str, str]]:
    """The users of landed events with their items."""
    batches = str(settings.landing / "files" / "events" / "*" / "data.parquet")
    return duckdb.execute(USERS_AND_ITEMS, [batches]).fetchall()


def test_equal_ids_of_two_sources_stay_apart(settings: Settings, shop: Path) -> None:
    land(settings, shop, "web", "till")
    assert landed(settings) == [
        ("ann", "a"),
        ("17", "b"),
        ("till:17", "till:a"),
        ("till:18", "till:900"),
        ("session:till:3", "till:900"),
    ]
    assert read_landing(settings).linked == []


def test_chains_of_links_end_in_one_subject() -> None:
    """Of a circle the first id is the subject; a claim of a named source counts before others."""
    macro = (PROJECT_ROOT / "dbt" / "macros" / "identities.sql").read_text()
    template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(
        macro + "{{ identities_of('user_id') }}"
    )
    rows = [("a", "b"), ("b", "c"), ("x", "y"), ("y", "z"), ("z", "x"), ("s", "s"), ("a", "other")]
    with duckdb.connect() as connection:
        connection.execute(
            "create table stg_files__user_identities (user_id text, subject text, source text)"
        )
        for number, (id_, subject) in enumerate(rows):
            values = [id_, subject, None if subject == "other" else f"app{number}"]
            connection.execute("insert into stg_files__user_identities values (?, ?, ?)", values)
        found = dict(connection.execute(template.render(ref=lambda name: name)).fetchall())
    assert found == {"a": "c", "b": "c", "y": "x", "z": "x"}


@pytest.mark.long
def test_linked_ids_have_one_history(settings: Settings, shop: Path) -> None:
    """Also what landed before the link; a link that a later file lacks is undone."""
    (shop / "cards.csv").write_text("card,customer\n18,ann\n")
    land(settings, shop, "web", "till", "links")
    (shop / "cards.csv").write_text("card,customer\n17,ann\n")
    land(settings, shop, "links")
    snapshot = Snapshot.open(settings, build(settings).snapshot_id)
    assert duckdb.execute(USERS_AND_ITEMS, [str(snapshot.mart("events"))]).fetchall() == [
        ("ann", "a"),
        ("17", "b"),
        ("ann", "till:a"),
        ("till:18", "b"),
        ("session:till:3", "b"),
    ]
    folder = settings.releases / "r-0"
    folder.mkdir(parents=True)
    write_identities(folder, snapshot)
    settings.live_release.flip("r-0")
    assert Identities(settings).current() == Links({"till:17": "ann"}, {"till:900": "b"})
    assert Pseudonyms(settings).of("till:17") == "ann"
    Subjects(settings).request("object", "till:17", datetime(2024, 3, 3))
    assert Subjects(settings).excluded("ann") and not Subjects(settings).excluded("17")
    assert Subjects(settings).objecting() == ["ann", "till:17"]


def test_pseudonyms_are_of_the_source_and_id(settings: Settings, shop: Path) -> None:
    """An erasure of a person is of all their ids."""
    settings = settings.model_copy(update={"pseudonyms": True})
    land(settings, shop, "web", "till", "links")
    coder = Pseudonyms(settings).coder
    assert isinstance(coder, Coder)
    ann, card = coder.of("ann"), coder.of("till:17")
    names = [user for user, _ in landed(settings)]
    assert names == [ann, *map(coder.of, ("17", "till:17", "till:18", "session:till:3"))]
    assert linked(settings, [card]) == [card, ann]
    removed = erase(settings, [ann]).removed
    assert removed["landing/files/events"] == 2
    assert removed["landing/files/user_identities"] == 1
    assert Subjects(settings).erased([card, ann, coder.of("17")]) == {card, ann}


@pytest.mark.parametrize("name", ["session", "a:b", "Web"])
def test_name_of_a_source_is_checked(settings: Settings, shop: Path, name: str) -> None:
    (shop / "till.yml").write_text(f"source: {name!r}" + TABLES.format(channel="till"))
    with pytest.raises(UsageError, match="source is"):
        land(settings, shop, "till")


def test_an_erasure_follows_chains_of_links(settings: Settings, shop: Path) -> None:
    (shop / "more.yml").write_text(
        "tables: {user_identities: {path: customers.csv, columns: {user_id: old, subject: new}}}"
    )
    (shop / "customers.csv").write_text("old,new\nann,4711\n18,17\n")
    land(settings, shop, "web", "till", "links", "more")
    assert set(linked(settings, ["till:17"])) == {"till:17", "ann", "4711"}
    assert set(linked(settings, ["17"])) == {"17", "18"}


def test_rows_name_their_own_source(settings: Settings, shop: Path) -> None:
    (shop / "links.yml").write_text(
        "tables: {user_identities: {path: cards.csv, columns: "
        "{source: channel, user_id: card, subject: customer}}}"
    )
    (shop / "cards.csv").write_text("channel,card,customer\napp,17,ann\n,17,ann\n")
    land(settings, shop, "links")
    assert linked(settings, ["ann"]) == ["ann", "17", "app:17"]
    (shop / "cards.csv").write_text("channel,card,customer\nThe App,17,ann\n")
    report = ingest(settings, "files", shop, shop / "links.yml")
    assert report.quarantined[0]["reasons"][0]["value"] == "The App"
