"""``feature_repo/`` as Feast's own command line sees it."""

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from feature_home import write_snapshot

from penchant.feast_sdk import FeatureStore
from penchant.features.materialize import materialize
from penchant.settings import PROJECT_ROOT, Settings

SNAPSHOT = "s-20180102-00000000000a"


@pytest.fixture
def repository(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, since Feast writes to it; the home has a live snapshot."""
    write_snapshot(settings, SNAPSHOT)
    settings.live_snapshot.flip(SNAPSHOT)
    monkeypatch.setenv("PENCHANT_HOME", str(settings.home))
    folder = tmp_path / "feature_repo"
    shutil.copytree(PROJECT_ROOT / "feature_repo", folder, ignore=shutil.ignore_patterns("data"))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    for module in ("live", "definitions", "entities", "services", "views"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return folder


def test_apply_and_materialize_work_and_leave_the_live_features_alone(
    settings: Settings, repository: Path
) -> None:
    from feast.repo_config import load_repo_config
    from feast.repo_operations import apply_total

    materialize(settings, SNAPSHOT)
    live = FeatureStore(repo_path=str(settings.online / "live"))
    before = {view.name for view in live.list_feature_views()}
    for _ in range(2):
        config = load_repo_config(repository, repository / "feature_store.yaml")
        apply_total(config, repository, skip_source_validation=False)
    ours = FeatureStore(repo_path=str(repository))
    assert {view.name for view in ours.list_feature_views()} == before
    assert {service.name for service in ours.list_feature_services()} == {
        service.name for service in live.list_feature_services()
    }
    ours.materialize(datetime(2017, 1, 1), datetime(2018, 1, 2, 1))
    row, name = [{"user_id": "u1"}], "user_statistics:spend_28d"
    assert (
        ours.get_online_features([name], row).to_dict()
        == live.get_online_features([name], row).to_dict()
    )
    assert {view.name for view in live.list_feature_views()} == before


def test_feast_is_imported_without_its_servers() -> None:
    code = "import sys, penchant.feast_sdk; sys.exit('uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
