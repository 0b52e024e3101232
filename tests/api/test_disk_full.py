"""A full disk: reads go on and are audited later, writes are refused, nothing is torn."""

import errno
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from penchant import cli
from penchant.api.app import create_app
from penchant.api.auth import audit_log
from penchant.api.auth.audit_log import AuditLog
from penchant.api.auth.tokens import Tokens
from penchant.feedback import log as feedback_log
from penchant.publishing.publish import publish
from penchant.settings import Settings
from penchant.storage import atomic_directory, write_json

ONE = "s-20180102-000000000001"


def no_space(*given: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def event() -> dict[str, Any]:
    return {
        "event_id": "e1",
        "user_id": "u3",
        "session_id": "s",
        "event_type": "view",
        "item_id": "i001",
        "event_at": datetime.now(UTC).isoformat(),
    }


def test_reads_go_on_and_events_get_507(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(shop.settings, ONE)
    shop.settings.live_features.flip(ONE)
    client = TestClient(create_app(shop.settings))
    with monkeypatch.context() as full:
        full.setattr(feedback_log._OpenFile, "write", no_space)
        full.setattr(audit_log.os, "write", no_space)
        shown = client.get("/v1/recommendations", params={"user_id": "u3", "k": 4})
        assert shown.status_code == 200 and len(shown.json()["items"]) == 4
        refused = client.post("/v1/events", json={"events": [event()]})
        assert refused.status_code == 507 and int(refused.headers["retry-after"]) > 0
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert "penchant_impressions_lost_total 4" in client.get("/metrics").text
        assert not any(file.stat().st_size for file in shop.settings.audit.iterdir())
    assert client.post("/v1/events", json={"events": [event()]}).status_code == 202
    assert client.get("/readyz").json()["status"] == "ok"
    (file,) = shop.settings.audit.iterdir()
    statuses = [json.loads(line)["status"] for line in file.read_text().splitlines()]
    assert statuses == [200, 507, 200, 202]


def test_audit_log_keeps_a_limited_number_of_lines_and_repairs_a_torn_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "MAX_KEPT", 2)
    lost, now, write = list[int](), datetime.now(UTC), os.write
    audit = AuditLog(settings, lost.append)
    audit.write({"n": 0}, now)
    with monkeypatch.context() as full:
        full.setattr(audit_log.os, "write", lambda file, data: write(file, data[:5]))
        for number in range(1, 5):
            audit.write({"n": number}, now)
    assert (audit.kept, lost) == (2, [1, 1])
    audit.write({"n": 5}, now)
    audit.close()
    (file,) = settings.audit.iterdir()
    whole = [line for line in file.read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line)["n"] for line in whole] == [0, 3, 4, 5]


def test_a_file_is_replaced_whole_or_not_at_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = Tokens(settings).make("shop", ["events:write"])
    before = sorted(path.name for path in settings.home.iterdir())
    with monkeypatch.context() as full:
        full.setattr("penchant.storage.sync", no_space)
        with pytest.raises(OSError, match="No space left"):
            Tokens(settings).make("other", ["events:write"])
    assert sorted(path.name for path in settings.home.iterdir()) == before
    assert Tokens(settings).find(secret) is not None and len(Tokens(settings).all()) == 1


def test_a_folder_that_could_not_be_filled_is_removed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), atomic_directory(tmp_path / "new") as new:
        (new / "large").write_bytes(b"x" * 1000)
        no_space()
    assert list(tmp_path.iterdir()) == []


def test_a_command_ends_with_one_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PENCHANT_HOME", str(settings.home))
    monkeypatch.setenv("PYTHONUTF8", "1")
    command = ["penchant", "token", "make", "--name", "a", "--scope", "admin"]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(cli, "configure_logs", lambda: None)  # it keeps this test's stdout
    monkeypatch.setattr("penchant.api.auth.tokens.write_json", no_space)
    umask = os.umask(0o022)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.run()
        assert os.umask(umask) == 0o077, "a home is for its owner only"
    finally:
        os.umask(umask)
    error = capsys.readouterr().err
    assert ended.value.code == 1 and error.count("error:") == 1
    assert "No space left" in error and "free space" in error


def test_permissions_of_private_files_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        write_json(tmp_path / "secret.json", [], 0o600)
    finally:
        os.umask(umask)
    assert (tmp_path / "secret.json").stat().st_mode & 0o777 == 0o600
