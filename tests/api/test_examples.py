"""Every example for service developers runs: curl commands against the API, Python as it stands.

Ids of the documentation's shop are replaced by those of the test's. The example of the client runs
in test_client.py.
"""

import re
import shlex
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from feature_home import write_snapshot
from small_shop import Shop, snapshot_id

from penchant.api.app import create_app
from penchant.features.materialize import materialize
from penchant.settings import Settings
from penchant.vectors import INT8, Frame

PAGE = (Path(__file__).parents[2] / "docs" / "service-developers.md").read_text()
IDS = {"2470": "u3", "387": "u4", "1029743": "i007", "995242": "i008"}
FENCED = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    command
    for language, block in FENCED
    if not language
    for command in re.split(r"\n(?=\$? ?\w+ )", block.replace("\\\n", " "))
    if command.removeprefix("$ ").startswith("curl ")
]
PYTHON = [block for language, block in FENCED if language == "python" and "Client" not in block]


def ours(text: str) -> str:
    return re.sub(rf"\b({'|'.join(IDS)})\b", lambda found: IDS[found[0]], text)


@pytest.fixture(scope="module")
def shop(served_once: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home of its own: the examples send items and users."""
    home = tmp_path_factory.mktemp("examples") / "home"
    shutil.copytree(served_once.settings.home, home)
    shop = Shop(served_once.settings.model_copy(update={"home": home}))
    shop.settings.live_features.flip(snapshot_id(1))
    return shop


@pytest.mark.parametrize("command", COMMANDS)
def test_curl_command_succeeds(shop: Any, command: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    words = iter(shlex.split(ours(command).removeprefix("$ ").replace("$(date -u +%FT%TZ)", now)))
    given: dict[str, list[str]] = {"-H": [], "-d": [], "-X": [], "url": []}
    for word in words:
        if word in given:
            given[word].append(next(words))
        elif word not in ("curl", "-s"):
            given["url"].append(word)
    (url,) = given["url"]
    split = urlsplit(url if "://" in url else f"http://{url}")
    assert "$AUTH" in given["-H"], "a server over a network requires a token"
    headers = dict(each.split(": ", 1) for each in given["-H"] if ": " in each)
    answer = TestClient(create_app(shop.settings)).request(
        given["-X"][0] if given["-X"] else "POST" if given["-d"] else "GET",
        f"{split.path}?{split.query}",
        content="".join(given["-d"]) or None,
        headers=headers,
    )
    assert answer.is_success, answer.text


@pytest.mark.parametrize("example", PYTHON)
def test_python_example_runs(
    shop: Any, example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, example = shop.settings.home, ours(example)
    if "from feast import" in example:  # needs what materialize writes
        home = tmp_path / "features"
        write_snapshot(Settings(_env_file=None, home=home), "s-20180102-00000000000a")
        materialize(Settings(_env_file=None, home=home), "s-20180102-00000000000a")
    monkeypatch.setenv("PENCHANT_HOME", str(home))
    frame = Frame(INT8, np.zeros(2, np.float32), np.ones(2, np.float32))
    encoded = frame.encode(np.array([[0.5, 1.0]], np.float32))
    names = {
        "described": {"vectors": {"frames": {"item_vectors": frame.as_dict()}}},
        "row": {"numbers": encoded.numbers_ND[0].tobytes(), "scale": encoded.scale_N[0]},
    }
    exec(example, names)


def test_examples_were_found() -> None:
    assert len(COMMANDS) >= 9 and len(PYTHON) >= 3
