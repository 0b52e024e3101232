"""Every file of an encrypted home is encrypted, or listed as plain with the reason."""

import shutil
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from fresh_shop import with_encoder
from ranked_shop import write_ranking_features, write_ranking_model
from safetensors.numpy import save_file
from small_shop import Shop, snapshot_id

from penchant.api.auth.audit_log import AuditLog
from penchant.encryption.encrypted_file import is_encrypted_file
from penchant.encryption.home_files import PLAIN, WITHOUT_PEOPLE, data_keys_in_use
from penchant.encryption.log_lines import MARK
from penchant.encryption.store import is_encrypted_store
from penchant.encryption.weights import read_weights
from penchant.features.materialize import materialize
from penchant.feedback.log import FeedbackLog
from penchant.privacy.encrypt import encrypt, rotate_key
from penchant.privacy.mentions import mentions
from penchant.privacy.vectors import files_with, vectors_of
from penchant.publishing.publish import publish
from penchant.releases.release import Release
from penchant.serving.advertising.shown import counted
from penchant.serving.service import RecommendationService
from penchant.serving.status import at_rest
from penchant.settings import PROJECT_ROOT, Settings
from penchant.vault import Vault
from training.commands.track import track
from training.commands.train import train
from training.compression.compress import compress

NOW = datetime(2026, 3, 1, 12)
PEOPLE = {"u-pseudonym": "anna"}


def plain_files(home: Path) -> list[str]:
    """The plain files that no list names."""
    files = [file for file in sorted(home.rglob("*")) if file.is_file() and not file.is_symlink()]
    names = [(file, file.relative_to(home).as_posix()) for file in files]
    listed = (*PLAIN, *WITHOUT_PEOPLE)
    return [
        name
        for file, name in names
        if not is_encrypted(file) and not any(fnmatchcase(name, pattern) for pattern in listed)
    ]


def is_encrypted(file: Path) -> bool:
    if file.suffix == ".jsonl":
        return all(line.startswith(MARK) for line in file.read_bytes().splitlines())
    return is_encrypted_file(file) or is_encrypted_store(file)


@pytest.fixture
def served_home(
    settings: Settings, key_file: Path, shop_once: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """An encrypted home that serves a ranking model, with logs, counted ads and a policy."""
    shutil.copytree(shop_once, settings.home)
    home = settings.model_copy(update={"key_file": key_file})
    shop = Shop(home)
    with_encoder(shop, 1)
    write_ranking_features(shop, 1)
    write_ranking_model(shop, 1)
    (home.policies / "p-1").mkdir(parents=True)
    save_file({"weights": np.zeros(3)}, home.policies / "p-1" / "model.safetensors")
    count_ad(home)
    Vault(home).remember(PEOPLE)
    encrypt(home)
    publish(home, snapshot_id(1))
    FeedbackLog.of(home).append("seen", [{"user_id": "u1"}])
    log = AuditLog(home)
    log.write({"route": "/v1/events"}, NOW.replace(tzinfo=UTC))
    log.close()
    return home


def count_ad(home: Settings) -> dict[str, int]:
    with counted(home.home / "ads" / "shown.db", NOW) as counts:
        counts.add("u1", ["c1"], 0)
        return counts.of_user("u1")


def test_a_served_home_has_no_other_plain_file(served_home: Settings) -> None:
    assert plain_files(served_home.home) == []
    assert data_keys_in_use(served_home)[None] == 0
    (served_home.runs / "left.safetensors").write_bytes(b"plain")
    (served_home.home / "unknown").mkdir()
    (served_home.home / "unknown" / "people.csv").write_text("u1")
    assert plain_files(served_home.home) == ["runs/left.safetensors", "unknown/people.csv"]
    assert "but 1 are plain: `penchant encrypt` encrypts them" in at_rest(served_home)


def test_a_new_data_key_reaches_stores_and_weights_while_they_are_read(
    served_home: Settings, published_once: Path
) -> None:
    service = RecommendationService(served_home)
    expected = service.recommend("u1", 10).items
    rotate_key(served_home)
    assert set(data_keys_in_use(served_home)) == {2}
    assert service.recommend("u2", 10).items  # of the replaced files
    assert RecommendationService(served_home).recommend("u1", 10).items == expected
    Release.open(served_home, str(served_home.live_release.current())).verify_ranking()
    assert count_ad(served_home) == {"c1": 2}
    vault = Vault(served_home)
    assert vault.reveal(PEOPLE) == PEOPLE and b"u-pseudonym" not in vault.path.read_bytes()
    vault.remember({"u-other": "bert"})
    assert vault.forget(PEOPLE) == 1 and vault.reveal([*PEOPLE, "u-other"]) == {"u-other": "bert"}


def test_a_search_for_a_person_reads_encrypted_stores(served_home: Settings) -> None:
    release = served_home.releases / str(served_home.live_release.current())
    for file, person in (
        (served_home.home / "ads" / "shown.db", "u1"),
        (release / "online.db", "u1"),
        (Vault(served_home).path, "u-pseudonym"),
    ):
        assert mentions(file, [person]), file
        assert not mentions(file, ["u-nobody"]), file
    vectors = vectors_of([served_home.runs], ["u1"])
    assert release / "online.db" in files_with(release, vectors, [])
    assert not list(files_with(release, {bytes(range(64))}, []))


@pytest.mark.long
def test_a_home_that_trains_has_no_other_plain_file(encrypted_home: Settings) -> None:
    home = encrypted_home
    snapshot = str(home.live_snapshot.current())
    run_id = train(home, snapshot, "matrix_factorization").run_id
    track(home, snapshot)
    compress(home, snapshot, "matrix_factorization")  # reads the weights
    materialize(home, snapshot)
    run = home.runs / snapshot / run_id
    (artifact,) = (home.home / "mlflow").rglob("model.safetensors")
    for weights in (run / "model.safetensors", run / "encoder" / "encoder.safetensors", artifact):
        assert is_encrypted_file(weights)
    assert read_weights(artifact).keys() == read_weights(run / "model.safetensors").keys()
    assert plain_files(home.home) == []
    assert data_keys_in_use(home)[None] == 0


def test_the_home_of_a_built_snapshot_has_no_other_plain_file(encrypted_home: Settings) -> None:
    assert plain_files(encrypted_home.home) == []


def test_status_and_docs_name_the_places_of_plain_files(served_home: Settings) -> None:
    for place in ("airflow", "mlflow"):
        (served_home.home / place).mkdir()
    assert at_rest(served_home).endswith("volume's encryption: airflow/, mlflow/, privacy/")
    page = (PROJECT_ROOT / "docs" / "privacy.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|") and "| plain" in line]
    for pattern in PLAIN:
        assert any(f"`{pattern.partition('/')[0]}/" in row for row in rows), pattern
