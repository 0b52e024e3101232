"""An ordinary Feast client: `online_store: remote`, a copied registry and a token."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from feast import FeatureStore, RepoConfig
from feast.errors import FeastError
from feature_home import write_snapshot

from penchant.api.app import create_app
from penchant.api.auth.tokens import Tokens
from penchant.features.materialize import materialize
from penchant.features.registry_store import REGISTRY_FILE
from penchant.features.repository import project_name
from penchant.settings import Settings

SNAPSHOT = "s-20180102-00000000000a"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("feast"))
    write_snapshot(settings, SNAPSHOT)
    materialize(settings, SNAPSHOT)
    return settings


@pytest.fixture(scope="module")
def port(home: Settings) -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(home), log_level="warning"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        serving.join()


def store(home: Settings, port: int, scope: str, folder: Path) -> FeatureStore:
    """As a service configures it: nothing of the home but a copy of the registry."""
    shutil.copy(home.online / SNAPSHOT / REGISTRY_FILE, folder / "copied.pb")
    _, secret = Tokens(home).make("feast", [scope])
    return FeatureStore(
        config=RepoConfig(
            project=project_name(SNAPSHOT),
            provider="local",
            registry={"registry_type": "file", "path": str(folder / "copied.pb")},
            online_store={"type": "remote", "path": f"http://127.0.0.1:{port}"},
            auth={"type": "oidc", "token": secret},
            entity_key_serialization_version=3,
        )
    )


def test_reads_a_service_for_many_rows(home: Settings, port: int, tmp_path: Path) -> None:
    client = store(home, port, "features:read:quasi", tmp_path)
    rows = [{"user_id": f"u{number % 5}"} for number in range(2_000)]
    answer = client.get_online_features(
        features=client.get_feature_service("portrait"), entity_rows=rows
    ).to_dict()
    assert answer["user_id"][:2] == ["u0", "u1"]
    assert answer["spend_28d"][1] == 1001.0 and answer["spend_28d"][-1] == 1004.0
    assert len(answer["spend_28d"]) == len(rows)


def test_raises_the_servers_error(home: Settings, port: int, tmp_path: Path) -> None:
    client = store(home, port, "features:read", tmp_path)
    with pytest.raises(FeastError, match=r"may not read user_affinities:top_categories"):
        client.get_online_features(
            features=["user_affinities:top_categories"], entity_rows=[{"user_id": "u1"}]
        )
