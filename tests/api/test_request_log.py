"""What is recorded of requests: audit lines without ids, and Prometheus metrics."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from penchant.api.app import create_app
from penchant.api.auth.audit_log import AuditLog
from penchant.api.auth.tokens import Tokens
from penchant.publishing.publish import publish
from penchant.settings import Settings

ONE = "s-20180102-000000000001"


def audited(settings: Settings) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in sorted(settings.audit.glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def test_audit_lines_have_token_and_route_but_no_ids(settings: Settings) -> None:
    token, secret = Tokens(settings).make("shop", ["recommendations:read", "events:write"])
    client = TestClient(create_app(settings))
    headers = {"authorization": f"Bearer {secret}"}
    happened = datetime.now(UTC).isoformat()
    did = {"event_type": "view", "item_id": "i1", "event_at": happened, "session_id": "s"}
    events = [{"event_id": f"e{each}", "user_id": "anna", **did} for each in range(3)]
    client.get("/v1/recommendations?user_id=anna", headers=headers)
    client.post("/v1/events", json={"events": events}, headers=headers)
    client.get("/v1/portrait?user_id=anna", headers=headers)
    client.get("/v1/similar?item_id=tea", headers={"authorization": "Bearer invalid-secret"})
    client.get("/healthz")
    lines = audited(settings)
    recorded = [
        [line[name] for name in ("token", "route", "scope", "allowed", "status", "entities")]
        for line in lines
    ]
    assert recorded == [
        [token.id, "/v1/recommendations", "recommendations:read", True, 503, 1],
        [token.id, "/v1/events", "events:write", True, 202, 3],
        [token.id, "/v1/portrait", "features:read:quasi", False, 403, 1],
        [None, "/v1/similar", None, False, 401, 1],
    ]
    kept = str(lines)
    assert not any(word in kept for word in ("anna", "tea", secret, "invalid-secret"))
    (file,) = settings.audit.iterdir()
    assert file.stat().st_mode & 0o077 == 0


def test_deletes_audit_files_after_the_retention_period(settings: Settings, tmp_path: Path) -> None:
    audit = AuditLog(settings.model_copy(update={"audit_days": 2}))
    begin = datetime(2026, 1, 30, 23, 59, tzinfo=UTC)
    for day in range(4):
        audit.write({"token": "t"}, begin + timedelta(days=day))
        audit.write({"token": "t"}, begin + timedelta(days=day))
    audit.close()
    files = sorted(settings.audit.iterdir())
    assert [file.name for file in files] == ["2026-02-01.jsonl", "2026-02-02.jsonl"]
    assert all(len(file.read_text().splitlines()) == 2 for file in files)


def test_metrics_count_requests_and_feedback_and_name_the_live_release(shop: Any) -> None:
    publish(shop.settings, ONE)
    client = TestClient(create_app(shop.settings))
    client.get("/v1/recommendations", params={"user_id": "u3", "k": 4})
    client.get("/v1/similar/anything/at/all")
    client.request("BREW", "/v1/similar")
    samples = [
        sample
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    ]

    def of(name: str, *labels: str | None) -> float:
        """The value of the one sample that has a name and these labels."""
        (found,) = (
            sample.value
            for sample in samples
            if sample.name == f"penchant_{name}" and set(sample.labels.values()) >= set(labels)
        )
        return found

    assert of("requests_total", "/v1/recommendations", "GET", "200") == 1
    assert of("requests_total", "none", "GET", "404") == 1
    assert of("requests_total", "/v1/similar", "other", "405") == 1
    assert of("request_seconds_count", "/v1/recommendations") == 1
    assert of("request_seconds_bucket", "/v1/recommendations", "+Inf") == 1
    assert of("impressions_total") == 4
    assert of("events_total") == 0
    assert of("live", "release", shop.settings.live_release.current()) == 1
    assert 0 < of("live_age_seconds", "release") < 60


def test_answers_metrics_before_anything_is_live(settings: Settings) -> None:
    answer = TestClient(create_app(settings)).get("/metrics")
    assert answer.status_code == 200 and "penchant_live{" not in answer.text
