"""A demo whose inputs have not changed runs nothing."""

import os
from pathlib import Path

import pytest

from penchant.platform import demo, inputs
from penchant.platform.inputs import inputs_hash, state_of
from penchant.settings import Settings
from penchant.storage import write_json


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("penchant", "training", "dags", "dbt/models", "feature_repo"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "requirements.lock").write_text("torch==1")
    monkeypatch.setattr(inputs, "PROJECT_ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def source(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "events.csv").write_text("a,b")
    return settings.model_copy(update={"source_path": tmp_path / "source"})


def test_hash_follows_code_settings_and_source_files(project: Path, source: Settings) -> None:
    hashes = [inputs_hash(source)]
    (project / "dbt" / "models" / "items.sql").write_text("select 1")
    hashes.append(inputs_hash(source))
    (project / "training" / "family.py").write_text("x = 1")
    hashes.append(inputs_hash(source))
    hashes.append(inputs_hash(source.model_copy(update={"family_seconds": 1.0})))
    os.utime(project / "source" / "events.csv", (1, 1))
    hashes.append(inputs_hash(source))
    assert len(set(hashes)) == len(hashes)


def test_hash_ignores_ports_and_generated_files(project: Path, source: Settings) -> None:
    before = inputs_hash(source)
    (project / "dbt" / "target").mkdir()
    (project / "dbt" / "target" / "manifest.yml").touch()
    assert inputs_hash(source.model_copy(update={"airflow_port": 1234})) == before


def test_unchanged_demo_prints_the_summary_only(
    project: Path, source: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[object] = []
    monkeypatch.setattr(demo, "_print_summary", lambda *arguments: notes.append(arguments[-1]))
    monkeypatch.setattr(demo, "_run_chain", lambda *_: pytest.fail("it ran the main job"))
    (source.releases / "r-1").mkdir(parents=True)
    source.live_release.flip("r-1")
    completed = source.home / "platform" / "completed.json"
    write_json(completed, {"inputs": inputs_hash(source), "state": state_of(source)})
    assert state_of(source)["releases"] == "r-1"
    assert demo.run(source) == 0
    assert notes == [["Nothing has changed since the last run."]]


@pytest.mark.parametrize("change", ["code", "rollback", "removed release", "landed batch"])
def test_changed_demo_runs(
    project: Path, source: Settings, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    class Started(Exception):
        pass

    def start(*_: object) -> None:
        raise Started

    monkeypatch.setattr(demo, "_run_chain", start)
    for release_id in ("r-1", "r-2"):
        (source.releases / release_id).mkdir(parents=True)
        source.live_release.flip(release_id)
    completed = source.home / "platform" / "completed.json"
    write_json(completed, {"inputs": inputs_hash(source), "state": state_of(source)})
    if change == "code":
        (project / "dags" / "new.py").touch()
    elif change == "rollback":
        source.live_release.flip("r-1")
    elif change == "landed batch":
        source.landing.mkdir(parents=True)
        (source.landing / "batch.parquet").touch()
    else:
        (source.releases / "r-2").rmdir()
    with pytest.raises(Started):
        demo.run(source)
    assert not completed.exists()
