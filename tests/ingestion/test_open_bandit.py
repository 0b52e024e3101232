"""The wheel lands only if it is the published one; the tests substitute a small one."""

import hashlib
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from small_wheel import write_wheel

from penchant.errors import DataError, PenchantError, UsageError
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.ingestion.sources import open_bandit
from penchant.settings import Settings

NOW = datetime(2020, 1, 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small wheel, whose hash replaces the published one."""
    wheel = write_wheel(tmp_path / "wheels")
    monkeypatch.setattr(open_bandit, "SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    return wheel.parent


def run(settings: Settings, folder: Path | None = None) -> IngestReport:
    return ingest(settings, source="open_bandit", path=folder, now=NOW)


def pip(act: Callable[[Path], subprocess.CompletedProcess]) -> Callable:
    """A replacement of pip: ``act`` receives the download folder."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        assert command[-1] == "obp==0.4.1"
        return act(Path(command[command.index("--dest") + 1]))

    return run


def test_lands_each_policy_and_campaign_with_affinity_of_the_shown_item(
    settings: Settings, folder: Path
) -> None:
    assert run(settings, folder).summary() == "landed 9, unchanged 0, quarantined 0"
    assert run(settings, folder).summary() == "landed 0, unchanged 9, quarantined 0"
    batches = settings.landing / "open_bandit" / "impressions" / "*" / "data.parquet"
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT policy, row_number, item_id, click, propensity_score, affinity, timestamp "
            f"FROM read_parquet('{batches}') WHERE campaign = 'men' ORDER BY ALL"
        ).fetchall()
    moment = datetime(2019, 11, 24, 0, 0, 34, 762830)
    assert rows[0] == ("bts", 0, 1, 1, 0.75, 2.0, moment)
    assert rows[3] == ("random", 1, 0, 0, 0.5, 0.0, datetime(2019, 11, 24, 0, 1))


def test_reads_all_columns_without_landing(folder: Path) -> None:
    file = folder / open_bandit.WHEEL
    shown = open_bandit.impressions(file, "bts", "women")
    assert open_bandit.affinities(shown).tolist() == [[0, 2], [0, 1]]
    assert open_bandit.items(file, "women")["item_feature_3"].to_pylist() == ["random3"] * 2


def test_downloads_the_wheel_once(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(into: Path) -> subprocess.CompletedProcess:
        (into / open_bandit.WHEEL).write_bytes((folder / open_bandit.WHEEL).read_bytes())
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip(download))
    assert len(run(settings).landed) == 9
    monkeypatch.setattr(subprocess, "run", None)
    assert len(run(settings).unchanged) == 9


def test_failed_download_lands_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", pip(lambda into: failed))
    with pytest.raises(PenchantError, match="No matching distribution") as raised:
        run(settings)
    assert raised.value.exit_code == 1  # worth a retry
    assert not list(settings.landing.glob("*/*/*/batch.json"))


def test_rejects_wheel_with_another_hash(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / open_bandit.WHEEL).write_bytes(b"something else")

    def download(into: Path) -> subprocess.CompletedProcess:
        (into / open_bandit.WHEEL).write_bytes(b"something else")
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip(download))
    for place in (folder, None):
        with pytest.raises(DataError, match="but the published file has"):
            run(settings, place)
    assert not list(settings.landing.glob("*/*/*/batch.json"))
    assert not (settings.downloads / "open_bandit").exists()


def test_folder_without_the_wheel_is_a_usage_error(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no obp-0\.4\.1"):
        run(settings, tmp_path)
