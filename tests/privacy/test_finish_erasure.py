"""The end of erasures: kills, several people, publications, copies of vectors, receipts."""

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_shop import write_run
from typer.testing import CliRunner

from penchant.artifacts import ErasureReceipt
from penchant.artifacts.unlearning import UnlearnedRun, Unlearning
from penchant.cli import app
from penchant.errors import NothingToDo, PenchantError, UsageError
from penchant.feedback.log import FeedbackLog
from penchant.privacy.erase import erase, finish, receipt_path
from penchant.privacy.mentions import files_that_mention
from penchant.privacy.signing import is_authentic
from penchant.pseudonyms import Pseudonyms
from penchant.settings import Settings
from penchant.subjects import Subjects
from penchant.vault import Vault

NOW = datetime(2026, 3, 1)
BEFORE, AFTER = "s-20260301-00000000000a", "s-20260301-00000000000b"
VECTOR = [float(number) / 7 for number in range(8)]


@pytest.fixture
def cleaned(settings: Settings) -> Settings:
    """A home of pseudonyms whose people `somebody-1` and `somebody-2` are being erased; a snapshot
    and a run have them, later ones don't."""
    home = settings.model_copy(update={"pseudonyms": True})
    coder = Pseudonyms(home).establish()
    assert coder is not None
    ids = {user: coder.of(user) for user in ("somebody-1", "somebody-2", "other")}
    Vault(home).remember({pseudonym: user for user, pseudonym in ids.items()})
    log = FeedbackLog.of(home)
    log.append("events", [_event(pseudonym) for pseudonym in ids.values()])
    run = home.runs / BEFORE / "matrix_factorization-000000000001"
    run.mkdir(parents=True)
    (home.snapshots / BEFORE).mkdir(parents=True)
    vectors = {
        "user_id": list(ids.values()),
        "vector": pa.array([VECTOR] * 3, pa.list_(pa.float32())),
    }
    pq.write_table(pa.table(vectors), run / "user_vectors.parquet")
    report = erase(home, ["somebody-1", "somebody-2"], NOW)
    assert len(report.request_ids) == 2 and report.removed == {"feedback/events": 2}
    return home


def receipts(settings: Settings) -> list[ErasureReceipt]:
    requests = Subjects(settings).requests()
    return [ErasureReceipt.read(receipt_path(settings, each.id)) for each in requests]


def test_several_people_are_erased_in_one_go(cleaned: Settings) -> None:
    assert len(finish(cleaned, NOW).receipts) == 2
    key = Subjects(cleaned).key()
    assert all(is_authentic(each, key) for each in receipts(cleaned))
    assert [row["user_id"][:2] for row in FeedbackLog.of(cleaned).rows("events")] == ["u-"]
    with pytest.raises(NothingToDo):
        finish(cleaned, NOW)


@pytest.mark.parametrize(
    "step", ["remove_derived", "remove_mentioning", "_verify", "sign", "_save", "Vault.forget"]
)
def test_a_killed_end_goes_on(
    cleaned: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"penchant.privacy.erase.{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            finish(cleaned, NOW)
    people = [each.user_id or "" for each in Subjects(cleaned).requests() if each.user_id]
    finish(cleaned, NOW)
    assert {each.state for each in Subjects(cleaned).requests()} == {"complete"}
    assert all(is_authentic(each, Subjects(cleaned).key()) for each in receipts(cleaned))
    assert not (cleaned.snapshots / BEFORE).exists()
    assert not list(files_that_mention(cleaned.home, [*people, "somebody-1"], [cleaned.privacy]))


def test_a_copy_of_a_vector_keeps_the_request_open(cleaned: Settings) -> None:
    copy = cleaned.home / "index.bin"
    copy.write_bytes(bytes(5) + pa.array(VECTOR, pa.float32()).buffers()[1].to_pybytes())
    with pytest.raises(PenchantError, match=r"1 files have a vector of the person, .*index\.bin"):
        finish(cleaned, NOW)
    assert (cleaned.runs / BEFORE).exists()  # so that the next call finds it too
    copy.unlink()
    assert finish(cleaned, NOW).receipts


def test_a_publication_of_their_data_ends_first(
    cleaned: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def publishing(settings: Settings, snapshot_id: str) -> None:
        with pytest.raises(UsageError, match=f"works with snapshot {BEFORE}"):
            finish(cleaned, NOW)
        tried.append(snapshot_id)
        raise NothingToDo("published", "nothing")

    monkeypatch.setenv("PENCHANT_HOME", str(cleaned.home))
    monkeypatch.setattr("penchant.publishing.publish.publish", publishing)
    CliRunner().invoke(app, ["publish", "--snapshot", BEFORE])
    assert tried == [BEFORE] and (cleaned.snapshots / BEFORE).exists()


def test_the_receipt_says_what_became_of_each_model(cleaned: Settings) -> None:
    (cleaned.snapshots / AFTER).mkdir()
    runs = {
        family: write_run(cleaned.runs / AFTER, family, number, vectors=False)
        for number, family in enumerate(("popularity", "ease", "gru"), 1)
    }
    cleaned.live_snapshot.flip(AFTER)
    popularity, ease = (
        UnlearnedRun(family=family, run_id=runs[family], before="before-1", **result)
        for family, result in (
            ("popularity", {"difference": 2e-7, "rounding": 1e-6}),
            ("ease", {"why_not": "the catalogue has changed since"}),
        )
    )
    Unlearning(snapshot_id=AFTER, runs=(popularity, ease), untrained=("vae",)).write(
        Unlearning.path(cleaned, AFTER)
    )
    finish(cleaned, NOW)
    models = {each.family: each.how for each in receipts(cleaned)[0].models}
    assert models["popularity"].startswith("exactly unlearned: fitted on a snapshot without")
    assert "2e-07" in models["popularity"] and "run before-1" in models["popularity"]
    assert models["ease"].startswith("trained again: from nothing")
    assert "not compared with its earlier run: the catalogue has changed" in models["ease"]
    assert models["gru"].startswith("trained again: from nothing")
    assert models["vae"].startswith("removed, nothing of it serves; trained again by")


@pytest.mark.long
def test_runs_and_artifacts_of_their_snapshots_leave_mlflow(cleaned: Settings) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(cleaned.mlflow_uri)
    experiment = client.create_experiment("families", str(cleaned.home / "mlflow" / "artifacts"))
    runs = {
        snapshot_id: client.create_run(experiment, tags={"snapshot_id": snapshot_id}).info
        for snapshot_id in (BEFORE, AFTER)
    }
    for run in runs.values():
        client.log_text(run.run_id, "{}", "figures.json")
    finish(cleaned, NOW)
    assert all(each.removed["mlflow"] == 1 for each in receipts(cleaned))
    (kept,) = client.search_runs([experiment])
    assert kept.info.run_id == runs[AFTER].run_id
    assert len(list((cleaned.home / "mlflow").rglob("figures.json"))) == 1


def _event(user_id: str) -> dict[str, object]:
    return {"event_id": f"e-{user_id}", "user_id": user_id, "event_type": "view"}
