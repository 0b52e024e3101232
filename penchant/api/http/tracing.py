"""OpenTelemetry spans of requests, sent to the collector that a setting names.

A span continues the trace of the header ``traceparent`` (W3C Trace Context) and has the attributes
of OpenTelemetry's conventions for HTTP servers: the route's template, never the query or an id.
"""

from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SERVICE = "penchant"
TRACES = "/v1/traces"  # where an OTLP collector takes spans over HTTP


def tracer_provider(exporter: SpanExporter) -> TracerProvider:
    """Spans are sent in batches, by a thread."""
    provider = TracerProvider(resource=Resource({SERVICE_NAME: SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def otlp_exporter(endpoint: str) -> SpanExporter:
    """``endpoint``: the collector's URL, such as http://127.0.0.1:4318."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint.rstrip("/") + TRACES)


class Tracing:
    """ASGI middleware: a span for each request."""

    def __init__(self, app: Any, provider: TracerProvider) -> None:
        self._app, self._tracer = app, provider.get_tracer(SERVICE)
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        method = scope["method"]
        with self._tracer.start_as_current_span(
            method, self._propagator.extract(headers), kind=SpanKind.SERVER
        ) as span:
            span.set_attribute("http.request.method", method)

            async def record_and_send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path", None)
                    if route:
                        span.update_name(f"{method} {route}")
                        span.set_attribute("http.route", route)
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await self._app(scope, receive, record_and_send)
