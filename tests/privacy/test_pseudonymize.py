"""Migrating a home of user ids to pseudonyms, and what a whole home holds."""

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.api.auth.tokens import Tokens
from penchant.building.build import build
from penchant.errors import NothingToDo
from penchant.feedback.log import FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.privacy.erase import erase
from penchant.privacy.pseudonymize import pseudonymize
from penchant.pseudonyms import Pseudonyms
from penchant.quality.check import check
from penchant.settings import Settings
from penchant.subjects import Subjects
from penchant.vault import Vault

NOW = datetime(2026, 3, 1)


def values(file: Path) -> Iterator[object]:
    """All values of a table file."""
    head = file.read_bytes()[:16]
    if head.startswith(b"PAR1"):
        yield from (value for column in pq.read_table(file).columns for value in column.to_pylist())
    elif head.startswith(b"ARROW1"):
        with pa.memory_map(str(file)) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
        yield from (value for column in table.columns for value in column.to_pylist())
    elif head.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (name,) in tables.fetchall():
                for row in connection.execute(f'SELECT * FROM "{name}"'):
                    yield from row


def mentions(file: Path, ids: list[bytes]) -> bool:
    """Whether a file has one of the ids as bytes, unpacked bytes or values."""
    raw = file.read_bytes()
    texts = [raw, gzip.decompress(raw)] if raw[:2] == b"\x1f\x8b" else [raw]
    texts.append("\0".join(map(str, values(file))).encode("utf-8", "replace"))
    return any(each in text for text in texts for each in ids)


def files_with(home: Path, ids: list[str]) -> list[str]:
    named = [user_id.encode() for user_id in ids]
    files = (file for file in home.rglob("*") if file.is_file())
    return [str(file.relative_to(home)) for file in files if mentions(file, named)]


@pytest.fixture
def raw_home(settings: Settings, built_once: Path) -> Settings:
    """A home from before pseudonyms, with a snapshot."""
    shutil.copytree(built_once, settings.home)
    (settings.privacy / "pseudonyms.json").unlink()
    return settings


def landed_users(settings: Settings) -> set[str]:
    files = settings.landing.glob("*/*/*/data.parquet")
    tables = [pq.read_table(file) for file in files if "user_id" in pq.read_schema(file).names]
    found = {user_id for table in tables for user_id in table["user_id"].to_pylist()}
    return found - {None}  # a question may be asked by nobody the shop knows


def test_a_new_home_has_nothing_to_migrate(settings: Settings) -> None:
    with pytest.raises(NothingToDo, match="holds no data"):
        pseudonymize(settings)


@pytest.fixture
def publish_as_live(raw_home: Settings, published_once: Path) -> Callable[[str], None]:
    """Make a release live that says it was made from a snapshot."""
    (manifest,) = published_once.glob("releases/r-*/release.json")

    def live(snapshot_id: str) -> None:
        release_id = f"r-{snapshot_id[-12:]}"
        described = json.loads(manifest.read_text()) | {"snapshot_id": snapshot_id}
        (raw_home.releases / release_id).mkdir(parents=True)
        (raw_home.releases / release_id / "release.json").write_text(json.dumps(described))
        raw_home.live_release.flip(release_id)

    return live


@pytest.mark.long
def test_a_migrated_home_holds_pseudonyms_alone(
    raw_home: Settings, publish_as_live: Callable[[str], None]
) -> None:
    settings, users = raw_home, landed_users(raw_home)
    (before,) = (path.name for path in settings.snapshots.glob("s-*"))
    check(settings, before)
    publish_as_live(before)
    Subjects(settings).request("object", "u00003", NOW)
    FeedbackLog.of(settings).append("seen", [seen("u00005")])

    first = pseudonymize(settings)
    assert not first.complete and first.batches > 5
    served = Pseudonyms(settings)
    assert served.of("u00001") == "u00001"  # the live release has user ids
    assert not landed_users(settings) & users
    assert pseudonymize(settings).batches == 0  # nothing is live without user ids yet

    after = build(settings).snapshot_id
    assert after != before
    check(settings, after)
    publish_as_live(after)
    assert served.of("u00001").startswith("u-")
    second = pseudonymize(settings)
    assert second.complete and second.removed["snapshots"] == 1
    assert files_with(settings.home, sorted(users)) == []
    assert set(Vault(settings).reveal(landed_users(settings)).values()) == users
    assert Subjects(settings).excluded("u00003")
    with pytest.raises(NothingToDo, match="already"):
        pseudonymize(settings)


def test_a_killed_migration_goes_on(raw_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    users, replaced, replace = landed_users(raw_home), 0, Path.replace

    def killed(path: Path, target: Path) -> Path:
        nonlocal replaced
        replaced += target.name == "data.parquet"
        if replaced == 3:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            pseudonymize(raw_home)
    assert landed_users(raw_home) & users
    pseudonymize(raw_home)
    landed = landed_users(raw_home)
    assert not landed & users
    assert set(Vault(raw_home).reveal(landed).values()) == users


def test_what_lands_while_the_old_release_serves_has_pseudonyms(
    raw_home: Settings, publish_as_live: Callable[[str], None]
) -> None:
    (snapshot_id,) = (path.name for path in raw_home.snapshots.glob("s-*"))
    publish_as_live(snapshot_id)
    pseudonymize(raw_home)
    FeedbackLog.of(raw_home).append("seen", [seen("u00005")])
    ingest(raw_home, source="feedback")
    assert "u00005" not in landed_users(raw_home)


def test_people_are_erased_and_left_out_by_id_while_the_home_is_migrated(
    raw_home: Settings, publish_as_live: Callable[[str], None]
) -> None:
    (snapshot_id,) = (path.name for path in raw_home.snapshots.glob("s-*"))
    publish_as_live(snapshot_id)
    pseudonymize(raw_home)
    FeedbackLog.of(raw_home).append("seen", [seen("u00005")])
    erased = erase(raw_home, ["u00005"], NOW).removed
    assert erased["landing/simulator/events"] > 0 and erased["feedback/seen"] == 1
    assert pseudonym_of(raw_home, "u00005") not in landed_users(raw_home)
    Subjects(raw_home).request("object", "u00003", NOW)
    assert Subjects(raw_home).objecting() == [pseudonym_of(raw_home, "u00003")]


def pseudonym_of(settings: Settings, user_id: str) -> str:
    coder = Pseudonyms(settings).coder
    assert coder is not None
    return coder.of(user_id)


def seen(user_id: str) -> dict[str, object]:
    return {"user_id": user_id, "item_id": "i00001", "seen_at": NOW, "received_at": NOW}


@pytest.mark.long
def test_a_whole_home_has_no_user_id_outside_the_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From landing to a release, events and reports, in a home as a user's."""
    from penchant.features.materialize import materialize
    from penchant.ingestion.simulated import shop
    from penchant.publishing.publish import publish
    from penchant.report.report import report
    from training.commands.plan_training import FIRST
    from training.commands.select_models import select_models
    from training.commands.track import track
    from training.commands.train import train

    named, users_of = [], shop._users

    def with_distinctive_ids(rng: object, count: int) -> list[dict]:
        rows = users_of(rng, count)  # type: ignore[arg-type]
        for row in rows:
            row["user_id"] = f"person-{row['user_id']}@example.org"
            named.append(row["user_id"])
        return rows

    monkeypatch.setattr(shop, "_users", with_distinctive_ids)
    settings = Settings.model_validate(
        {"home": tmp_path / "home", "threads": 1, "seed": 7, "source": "simulator"}
    )
    ingest(settings, users=80, items=60, days=120)
    snapshot_id = build(settings).snapshot_id
    check(settings, snapshot_id)
    materialize(settings, snapshot_id)
    for family in FIRST:
        train(settings, snapshot_id, family)
    track(settings, snapshot_id)
    select_models(settings, snapshot_id, FIRST)
    publish(settings, snapshot_id)
    report(settings)

    scopes = ["events:write", "users:write", "recommendations:read", "features:read:direct"]
    _, secret = Tokens(settings).make("service", scopes)
    client = TestClient(create_app(settings), headers={"Authorization": f"Bearer {secret}"})
    person, newcomer = named[1], "person-from-elsewhere@example.org"
    for user_id in (person, newcomer):
        sent = {"event_id": f"e-{len(user_id)}", "user_id": user_id, "session_id": "s"}
        sent |= {"event_type": "view", "item_id": "i00001"}
        sent |= {"event_at": datetime.now().astimezone().isoformat()}
        assert client.post("/v1/events", json={"events": [sent]}).is_success
        answer = client.get("/v1/recommendations", params={"user_id": user_id}).json()
        assert answer["user_id"] == user_id and answer["items"]
    assert client.get("/v1/portrait", params={"user_id": person}).json()["user_id"] == person
    entities = {"service": "portrait", "entities": [{"user_id": person}]}
    (row,) = client.post("/v1/features", json=entities).json()["rows"]
    assert row["user_id"] == person and any(row[name] is not None for name in row)
    wire = {"feature_service": "portrait", "entities": {"user_id": [person]}}
    assert person in client.post("/get-online-features", json=wire).text
    ingest(settings, source="feedback")

    assert files_with(settings.home, [*named, newcomer]) == []
    landed = landed_users(settings)
    assert set(Vault(settings).reveal(landed).values()) == {*named, newcomer}
