"""A whole home, encrypted: what is in it, what still works, and changing its data key."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from penchant.api.auth.audit_log import AuditLog
from penchant.building.build import build
from penchant.encryption import parquet
from penchant.encryption.duckdb_connection import connect, parquet_relation, written
from penchant.encryption.encrypted_file import copy_plain, data_key_of
from penchant.encryption.home_files import data_keys_in_use, encrypt_file
from penchant.encryption.keyring import establish, keyring
from penchant.encryption.log_lines import read_any
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.features.materialize import materialize
from penchant.features.training_sets import training_sets
from penchant.feedback.log import FeedbackLog
from penchant.identities import Identities, Links, linked
from penchant.ingestion.ingest import ingest
from penchant.privacy import encrypt as stage
from penchant.privacy.encrypt import encrypt, rotate_key
from penchant.privacy.mentions import mentions
from penchant.pseudonyms import Coder, Pseudonyms
from penchant.quality.check import check
from penchant.serving.status import at_rest
from penchant.settings import Settings

TABLE = pa.table({"n": range(1000), "user_id": [f"user-{number}" for number in range(1000)]})


def test_duckdb_and_pyarrow_read_what_the_other_wrote(new_home: Settings) -> None:
    establish(new_home)
    one, other = (new_home.home / f"it's {name}.parquet" for name in ("one", "other"))
    parquet.write_table(TABLE, one)
    with connect(new_home.home) as connection:
        count = "SELECT count(*) FROM read_parquet(?, union_by_name := true)"
        assert connection.execute(count, [str(one)]).fetchall() == [(1000,)]
        copy = f"COPY (FROM read_parquet(?) WHERE n < 10) TO {written(other)} (FORMAT parquet)"
        connection.execute(copy, [str(one)])
        both = str(new_home.home / "*.parquet")
        assert connection.execute(count, [both]).fetchall() == [(1010,)]
        assert len(parquet_relation(connection, other).fetchall()) == 10
    assert data_key_of(one) == data_key_of(other) == 1
    assert parquet.read_table(other)["user_id"].to_pylist() == TABLE["user_id"].to_pylist()[:10]
    assert parquet.read_table(one, filters=[("n", "=", 7)]) == TABLE[7:8]
    assert parquet.ParquetFile(one).read() == TABLE
    assert parquet.read_metadata(one).num_rows == 1000
    assert parquet.read_schema(one) == TABLE.schema


def test_a_new_home_lands_encrypted(new_home: Settings) -> None:
    ingest(new_home, source="simulator", users=20, items=10, days=20)
    FeedbackLog.of(new_home).append("seen", [{"user_id": "user-of-the-log"}])
    in_use = data_keys_in_use(new_home)
    assert in_use[None] == 0
    assert in_use[1] > 6
    (log,) = new_home.feedback.glob("seen/open.jsonl")
    assert b"user-of-the-log" not in log.read_bytes()
    assert json.loads(read_any(log)) == {"user_id": "user-of-the-log"}
    assert mentions(log, ["user-of-the-log"])
    assert "are encrypted, with the key of PENCHANT_KEY_FILE; other files" in at_rest(new_home)
    assert at_rest(new_home).endswith("volume's encryption: privacy/")


def test_links_of_an_encrypted_home_are_read(new_home: Settings, tmp_path: Path) -> None:
    (tmp_path / "cards.csv").write_text("card,customer\n17,ann\n")
    columns = "{user_id: card, subject: customer}"
    table = f"user_identities: {{path: cards.csv, columns: {columns}}}"
    (tmp_path / "m.yml").write_text(f"source: till\ntables: {{{table}}}")
    ingest(new_home, source="files", mapping=tmp_path / "m.yml")
    coder = Pseudonyms(new_home).coder
    assert isinstance(coder, Coder) and data_keys_in_use(new_home)[None] == 0
    card, ann = coder.of("till:17"), coder.of("ann")
    assert linked(new_home, [card]) == [card, ann]
    (new_home.releases / "r-0").mkdir(parents=True)
    rows = {"kind": ["user", "item"], "id": [card, "till:900"], "subject": [ann, "b"]}
    parquet.write_table(pa.table(rows), new_home.releases / "r-0" / "identities.parquet")
    new_home.live_release.flip("r-0")
    assert Identities(new_home).current() == Links({card: ann}, {"till:900": "b"})


def test_a_home_that_is_to_be_encrypted_needs_a_key(settings: Settings) -> None:
    home = settings.model_copy(update={"encrypt": True})
    with pytest.raises(UsageError, match="no setting gives the home's key"):
        ingest(home, source="simulator", users=20, items=10, days=20)


@pytest.mark.long
def test_an_encrypted_home_goes_on(encrypted_home: Settings) -> None:
    """Feast, Great Expectations and the readers of batches read the encrypted files."""
    (snapshot_id,) = (path.name for path in encrypted_home.snapshots.glob("s-*"))
    assert data_keys_in_use(encrypted_home)[None] == 0
    (encrypted_home.snapshots / snapshot_id / "checks.json").unlink()
    check(encrypted_home, snapshot_id)
    materialize(encrypted_home, snapshot_id)
    assert training_sets(encrypted_home, snapshot_id).rows["campaign_spending"] > 0
    ingest(encrypted_home, source="simulator", users=80, items=60, days=121)
    assert data_keys_in_use(encrypted_home)[None] == 0


@pytest.mark.long
def test_dbt_builds_the_same_snapshot_as_in_a_plain_home(
    encrypted_home: Settings, checked_once: Path
) -> None:
    (snapshot,) = encrypted_home.snapshots.glob("s-*")
    before = json.loads((snapshot / "snapshot.json").read_text())
    shutil.rmtree(snapshot)
    assert build(encrypted_home).snapshot_id == snapshot.name
    assert json.loads((snapshot / "snapshot.json").read_text()) == before
    assert data_keys_in_use(encrypted_home)[None] == 0


def test_encrypting_twice_has_nothing_to_do(encrypted_home: Settings) -> None:
    with pytest.raises(NothingToDo, match="is encrypted"):
        encrypt(encrypted_home)


def test_a_new_data_key_replaces_the_earlier_ones(encrypted_home: Settings) -> None:
    FeedbackLog.of(encrypted_home).append("seen", [{"user_id": "user-of-the-log"}])
    assert rotate_key(encrypted_home).data_key == 2
    assert rotate_key(encrypted_home).data_key == 3
    assert set(data_keys_in_use(encrypted_home)) == {3}
    assert set(keyring(encrypted_home.home).keys) == {2, 3}
    assert list(FeedbackLog.of(encrypted_home).rows("seen")) == [{"user_id": "user-of-the-log"}]
    assert not list(encrypted_home.home.rglob(".staging-*"))


def test_audit_lines_of_earlier_data_keys_stay_readable(new_home: Settings) -> None:
    establish(new_home)
    log = AuditLog(new_home)
    log.write({"route": "/v1/events"}, datetime(2026, 3, 1, tzinfo=UTC))
    for _ in range(3):
        rotate_key(new_home)
    log.write({"route": "/v1/items"}, datetime(2026, 3, 1, tzinfo=UTC))
    log.close()
    (file,) = new_home.audit.iterdir()
    routes = [json.loads(line)["route"] for line in read_any(file).splitlines()]
    assert routes == ["/v1/events", "/v1/items"]
    assert set(keyring(new_home.home).keys) == {1, 3, 4}


def test_plain_files_do_not_stop_a_new_data_key(encrypted_home: Settings) -> None:
    (batch, *_) = encrypted_home.landing.glob("*/*/*/data.parquet")
    copy_plain(batch, batch.with_name("plain"))
    batch.with_name("plain").replace(batch)
    assert rotate_key(encrypted_home).data_key == 2
    assert set(data_keys_in_use(encrypted_home)) == {2}


def test_a_killed_rotation_goes_on_with_its_data_key(
    encrypted_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def kill(file: Path) -> bool:
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(file)
        return encrypt_file(file)

    monkeypatch.setattr(stage, "encrypt_file", kill)
    with pytest.raises(KeyboardInterrupt):
        rotate_key(encrypted_home)
    files = data_keys_in_use(encrypted_home)
    assert files[2] == 5
    monkeypatch.undo()
    settings = encrypted_home
    monkeypatch.setenv("PENCHANT_KEY_FILE", str(settings.key_file))
    assert rotate_key(settings).data_key == 2
    assert data_keys_in_use(settings) == {2: files.total()}


def test_only_an_encrypted_home_has_a_data_key_to_rotate(settings: Settings) -> None:
    with pytest.raises(UsageError, match="is not encrypted"):
        rotate_key(settings)


def test_a_changed_log_line_is_an_error(new_home: Settings) -> None:
    establish(new_home)
    log = FeedbackLog.of(new_home)
    log.append("seen", [{"user_id": "a"}])
    path = log.folder / "seen" / "open.jsonl"
    path.write_bytes(path.read_bytes().replace(b"#1:", b"#1:AAAA"))
    with pytest.raises(DataError, match="an encrypted line was changed"):
        list(log.rows("seen"))
