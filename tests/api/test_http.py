"""What HTTP clients expect of every API: ids, caching, compression, CORS, HEAD, traces."""

import gzip
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from penchant.api.app import create_app
from penchant.api.http.conditional import CACHEABLE
from penchant.api.http.rate_limit import rate_limit_headers
from penchant.api.http.tracing import Tracing, tracer_provider
from penchant.settings import Settings

SIMILAR = "/v1/similar?item_id=i007&k=50"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def client(served_once: Any) -> TestClient:
    return TestClient(create_app(served_once.settings))


def test_request_id_is_the_clients_or_a_new_one(client: TestClient, served_once: Any) -> None:
    answer = client.get(SIMILAR, headers={"X-Request-ID": "order-17"})
    assert answer.headers["x-request-id"] == "order-17"
    invalid = client.get(SIMILAR, headers={"X-Request-ID": "a b"})
    assert len(invalid.headers["x-request-id"]) == 36
    assert client.get("/nowhere").headers["x-request-id"]
    (file,) = served_once.settings.audit.glob("*.jsonl")
    audited = [json.loads(line).get("request_id") for line in file.read_text().splitlines()]
    assert "order-17" in audited


def test_cacheable_answer_is_not_sent_again(client: TestClient) -> None:
    first = client.get(SIMILAR)
    tag = first.headers["etag"]
    assert "private" in first.headers["cache-control"]
    again = client.get(SIMILAR, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = client.get("/v1/similar?item_id=i008&k=50", headers={"If-None-Match": tag})
    assert other.status_code == 200 and other.headers["etag"] != tag
    assert "etag" not in client.get("/v1/recommendations?user_id=u3").headers
    assert "etag" not in client.get("/v1/similar?item_id=nothing").headers
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    assert {*CACHEABLE} - {"/openapi.json"} <= set(paths)


def test_large_answers_are_compressed(client: TestClient) -> None:
    with client.stream("GET", SIMILAR, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(raw))["items"]) == 50
    assert "content-encoding" not in client.get("/livez").headers
    page = client.get("/console/login", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in page.headers


def test_compressed_bodies_are_refused_unread(client: TestClient) -> None:
    bomb = gzip.compress(b"0" * 10**6)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = client.post("/v1/events", content=bomb, headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    plain = client.post("/v1/events", json={}, headers={"Content-Encoding": "identity"})
    assert plain.status_code == 422


def test_head_answers_as_get_without_a_body(client: TestClient) -> None:
    for path in ("/livez", SIMILAR):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "application/json"
    assert client.head("/v1/recommendations?user_id=u3").status_code == 405, "it would be logged"


def test_rate_limit_headers_count_down(client: TestClient) -> None:
    assert client.get(SIMILAR).headers["ratelimit-policy"] == '"client";q=400;w=2'
    assert client.get(SIMILAR).headers["ratelimit"].startswith('"client";r=')
    assert "ratelimit" not in client.get("/livez").headers
    assert dict(rate_limit_headers(10, 20, 5.5))[b"ratelimit"] == b'"client";r=5;t=1'


def test_cors_answers_the_origins_of_the_setting_alone(settings: Settings) -> None:
    preflight = {"Access-Control-Request-Method": "GET"}
    allowing = settings.model_copy(update={"cors_origins": ("https://shop.example",)})
    for served, origin, allowed in (
        (allowing, "https://shop.example", "https://shop.example"),
        (allowing, "https://evil.example", None),
        (settings, "https://shop.example", None),
    ):
        client = TestClient(create_app(served))
        answer = client.options("/v1/similar", headers={"Origin": origin, **preflight})
        assert answer.headers.get("access-control-allow-origin") == allowed


def test_span_continues_the_callers_trace(settings: Settings) -> None:
    exporter = InMemorySpanExporter()
    provider = tracer_provider(exporter)
    app = create_app(settings)
    app.add_middleware(Tracing, provider=provider)
    TestClient(app).get("/livez", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    provider.force_flush()
    (span,) = exporter.get_finished_spans()
    assert span.context is not None and f"{span.context.trace_id:032x}" == TRACE
    assert span.name == "GET /livez"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/livez",
        "http.response.status_code": 200,
    }


def test_giant_parameter_is_rejected_unread(client: TestClient) -> None:
    answer = client.get("/v1/similar", params={"item_id": "x" * 30_000})
    assert answer.status_code == 414
    assert "30,008 bytes" in answer.json()["detail"] and "shorten" in answer.json()["remedy"]
    assert client.get("/v1/similar", params={"item_id": "ä" * 600}).status_code == 422
    excluded = [f"unknown {number}" for number in range(490)]
    answer = client.get("/v1/recommendations", params={"user_id": "u01", "exclude": excluded})
    assert answer.status_code == 200
