"""Erasing people, on a small shop: batches, log, snapshots; late files; receipts."""

import fcntl
import json
import threading
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_shop import release_of, write_run

from penchant.artifacts import ErasureReceipt, Snapshot
from penchant.building.build import build
from penchant.errors import NothingToDo, PenchantError, UsageError
from penchant.feedback.log import FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.privacy.erase import erase, finish, receipt_path
from penchant.privacy.export import export
from penchant.privacy.mentions import files_that_mention
from penchant.privacy.signing import is_authentic
from penchant.quality.check import check
from penchant.settings import Settings
from penchant.storage import held_alone
from penchant.subjects import Subjects

NOW = datetime(2026, 3, 1)


def some_user(settings: Settings) -> str:
    """A user with events and impressions."""
    for batch in sorted(settings.landing.glob("feedback/impressions/*/data.parquet")):
        shown = pq.read_table(batch)["user_id"].to_pylist()
        if shown:
            return str(shown[0])
    raise AssertionError("the shop has no impressions")


def mentioned(settings: Settings, user_id: str) -> list[Path]:
    return list(files_that_mention(settings.home, [user_id], [settings.privacy]))


def rebuilt(settings: Settings) -> str:
    """A checked snapshot of what has landed."""
    snapshot_id = build(settings).snapshot_id
    check(settings, snapshot_id)
    return snapshot_id


@pytest.mark.long
def test_after_the_next_build_an_erased_person_is_nowhere_and_an_objecting_one_not_in_the_marts(
    checked_home: Settings, published_once: Path
) -> None:
    settings = checked_home
    user_id, before = some_user(settings), settings.live_snapshot.current()
    assert mentioned(settings, user_id)

    report = erase(settings, [user_id], NOW)
    assert report.removed["landing/simulator/events"] > 0
    assert report.removed["landing/feedback/propensities"] > 0
    objecting = next(iter(people(settings)))
    Subjects(settings).request("object", objecting, NOW)
    with pytest.raises(UsageError, match="still live"):
        finish(settings, NOW)
    after = rebuilt(settings)
    assert after != before
    write_run(settings.runs / after, "popularity", 1, vectors=False)
    release_id = release_of(settings, after, published_once)
    finish(settings, NOW)

    for mart in ("users", "events", "impressions"):
        file = Snapshot.open(settings, after).mart(mart)
        found = pq.read_table(file, columns=["user_id"])["user_id"].to_pylist()
        assert found and objecting not in found
    assert objecting in people(settings)

    assert mentioned(settings, user_id) == []
    assert not (settings.snapshots / str(before)).exists()
    receipt = ErasureReceipt.read(receipt_path(settings, report.request_ids[0]))
    assert is_authentic(receipt, Subjects(settings).key())
    changed = receipt.model_copy(update={"searched_files": 0})
    assert not is_authentic(changed, Subjects(settings).key())
    assert receipt.snapshot_id == after
    (model,) = receipt.models
    assert model.family == "popularity" and f"release {release_id} of 20" in model.how
    assert user_id not in (settings.privacy / "requests" / f"{receipt.request_id}.json").read_text()


def test_other_people_keep_their_rows(built_home: Settings) -> None:
    user_id = some_user(built_home)
    before = people(built_home)
    erase(built_home, [user_id], NOW)
    assert people(built_home) == before - {user_id}


def test_erasing_again_changes_nothing(built_home: Settings) -> None:
    user_id = some_user(built_home)
    erase(built_home, [user_id], NOW)
    with pytest.raises(NothingToDo):
        erase(built_home, [user_id], NOW)


def test_an_unknown_person_is_an_error(built_home: Settings) -> None:
    with pytest.raises(UsageError, match="nothing is stored of user 'nobody'"):
        erase(built_home, ["nobody"], NOW)
    assert not Subjects(built_home).excluded("nobody")


def test_a_killed_erasure_goes_on(built_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = some_user(built_home)

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("penchant.privacy.stored.erase_quarantined", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(built_home, [user_id], NOW)
    assert Subjects(built_home).excluded(user_id)
    erase(built_home, now=NOW)
    assert user_id not in people(built_home)


def test_a_running_build_ends_before_rows_are_removed(built_home: Settings) -> None:
    """Its snapshot has the person, so it is one of those to remove."""
    user_id, late = some_user(built_home), "s-20260301-0123456789ab"
    erasing = threading.Thread(target=erase, args=(built_home, [user_id], NOW))
    with held_alone(built_home.warehouse.parent):
        erasing.start()
        while not Subjects(built_home).excluded(user_id):
            assert erasing.is_alive()
        assert user_id in people(built_home)
        (built_home.snapshots / late).mkdir()
    erasing.join()
    assert user_id not in people(built_home)
    (request,) = Subjects(built_home).requests()
    assert late in request.affected


def test_a_stage_that_works_with_the_persons_data_keeps_the_request_open(
    built_home: Settings,
) -> None:
    (snapshot,) = built_home.snapshots.glob("s-*")
    erase(built_home, [some_user(built_home)], NOW)
    lock = built_home.snapshot_lock(snapshot.name)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stage:
        fcntl.flock(stage, fcntl.LOCK_SH)
        with pytest.raises(UsageError, match=f"works with snapshot {snapshot.name}"):
            finish(built_home, NOW)
    assert snapshot.exists()
    (request,) = Subjects(built_home).requests()
    assert request.state == "cleaned"
    assert finish(built_home, NOW).receipts and not snapshot.exists()


def test_a_person_in_an_experiment_leaves_it(built_home: Settings) -> None:
    user_id = some_user(built_home)
    for name, text in (("theirs", f'{{"user_id": "{user_id}"}}'), ("other", "{}")):
        path = built_home.home / "experiments" / name / "assigned.json"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    erase(built_home, [user_id], NOW)
    finish(built_home, NOW)
    assert [path.parent.name for path in built_home.home.glob("experiments/*/*")] == ["other"]


def test_a_late_file_does_not_bring_a_person_back(settings: Settings, tmp_path: Path) -> None:
    files, mapping = tmp_path / "files", tmp_path / "mapping.yml"
    files.mkdir()
    mapping.write_text("tables:\n  users:\n    path: users*.csv\n    columns: {user_id: id}\n")
    (files / "users-1.csv").write_text("id\nu1\nu2\n")
    ingest(settings, "files", files, mapping, now=NOW)
    erase(settings, ["u1"], NOW)
    (files / "users-2.csv").write_text("id\nu1\nu3\n")
    outcome = ingest(settings, "files", files, mapping, now=NOW)
    assert [each["rows"] for each in outcome.landed] == [1]
    assert people(settings) == {"u2", "u3"}


def test_rows_that_wait_to_land_are_removed_and_never_stored_again(settings: Settings) -> None:
    log = FeedbackLog.of(settings)
    log.append("events", [event("u1"), event("u2")])
    log.seal()
    log.append("events", [event("u1"), event("u3")])
    erase(settings, ["u1"], NOW)
    log.append("events", [event("u1"), event("u4")])
    assert [row["user_id"] for row in log.rows("events")] == ["u2", "u3", "u4"]


def test_a_quarantined_file_with_the_person_is_deleted(settings: Settings) -> None:
    kept = settings.quarantine / "files" / "users"
    for name, content in {"a": "user_id\nsomebody-42\n", "b": "user_id\nother\n"}.items():
        (kept / name).mkdir(parents=True)
        (kept / name / "users.csv").write_text(content)
        (kept / name / "reason.json").write_text("{}")
    left_out = kept / "rejected_rows.parquet"
    pq.write_table(pa.table({"user_id": ["somebody-42"]}), left_out)
    FeedbackLog.of(settings).append("events", [event("somebody-42")])
    erase(settings, ["somebody-42"], NOW)
    assert [path.name for path in kept.iterdir()] == ["b"]  # rows left out are copied again


def test_a_file_that_still_mentions_the_person_keeps_the_request_open(
    settings: Settings,
) -> None:
    FeedbackLog.of(settings).append("events", [event("somebody-42")])
    erase(settings, ["somebody-42"], NOW)
    foreign = settings.home / "notes.txt"
    foreign.write_text("call somebody-42 back")
    with pytest.raises(PenchantError, match=r"1 files still mention the person, such as .*notes"):
        finish(settings, NOW)
    foreign.unlink()
    finish(settings, NOW)


def test_an_export_has_what_every_place_holds(checked_home: Settings, tmp_path: Path) -> None:
    user_id = some_user(checked_home)
    report = export(checked_home, user_id, tmp_path / "export")
    assert {"landing/simulator/events", "landing/feedback/impressions", "marts/users"} <= set(
        report.rows
    )
    content = json.loads((tmp_path / "export" / "subject.json").read_text())
    assert {held["place"] for held in content["held"]} == set(report.rows)
    assert all(held["purpose"] for held in content["held"])
    with pytest.raises(UsageError, match="exists"):
        export(checked_home, user_id, tmp_path / "export")


def people(settings: Settings) -> set[str]:
    """All user ids in landed batches."""
    return {
        user_id
        for file in settings.landing.glob("*/*/*/data.parquet")
        if "user_id" in pq.read_schema(file).names
        for user_id in pq.read_table(file, columns=["user_id"])["user_id"].to_pylist()
    }


def event(user_id: str) -> dict[str, object]:
    return {"event_id": f"e-{user_id}", "user_id": user_id, "event_type": "view"}
