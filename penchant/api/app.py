"""The HTTP API: ``/v1`` for services, Feast's wire format for feature clients, and the console.

Feast's routes that write are not included.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute

from penchant.api import openapi
from penchant.api.auth.access import AccessControl
from penchant.api.auth.audit_log import AuditLog
from penchant.api.auth.rates import Rates, SharedRates
from penchant.api.console.app import create_console
from penchant.api.docs_page import add_docs_page
from penchant.api.error_alarm import ErrorAlarm
from penchant.api.http import repetition
from penchant.api.http.body import WholeBody
from penchant.api.http.compression import Compression
from penchant.api.http.conditional import ConditionalRequests, HeadRequests
from penchant.api.http.hosts import AllowedHosts
from penchant.api.http.metrics import Metrics
from penchant.api.http.problems import add_exception_handlers
from penchant.api.http.request_limits import ParameterLimit, RequestLimits
from penchant.api.http.services import Services
from penchant.api.http.user_id_translation import UserIdTranslation
from penchant.api.process import configure_process
from penchant.api.request_log import RequestLog
from penchant.api.routes import routers
from penchant.api.server.admission import Admission
from penchant.api.server.early_limit import EarlyLimit
from penchant.features.online_features import LiveFeatures
from penchant.feedback.log import FeedbackLog
from penchant.serving.advertising.advertiser import Advertiser
from penchant.serving.fresh_events.deletions import Deletions, WithoutDeleted
from penchant.serving.fresh_events.events import FreshEvents
from penchant.serving.fresh_events.seen_items import SeenItems
from penchant.serving.fresh_events.user_states import FreshUserStates
from penchant.serving.listings import Listings
from penchant.serving.live_policy import LivePolicies
from penchant.serving.new_items.item_log import NewItemLog
from penchant.serving.own_events import OwnEvents
from penchant.serving.ranking.objective import Objective
from penchant.serving.ranking.ranker import Ranker
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.service import RecommendationService
from penchant.settings import Settings
from penchant.subjects import Subjects

CONSOLE = "/console"
TRACE_HEADERS = ("x-request-id", "traceparent", "tracestate")
EXPOSED_HEADERS = ("etag", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id")


def create_app(settings: Settings, rates: Rates | None = None) -> FastAPI:
    """The application. It follows the live pointers and writes only to the feedback and audit logs.

    A response comes from one release, named in its body, or from one snapshot, named in the header
    ``Penchant-Snapshot``, even if a pointer moves during the request.

    ``rates``: of clients, shared with other servers; by default of this one alone.
    """
    services, access = _services(settings), AccessControl(settings, rates=rates)
    audit = AuditLog(settings, partial(services.metrics.count, "audit_lines_lost"))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.openapi()  # built before the first request
        yield
        audit.close()

    app = FastAPI(
        title="Penchant",
        description="Recommendations, features and ads for a shop's services.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
    )
    app.state.services, app.state.access = services, access
    for router in routers():
        app.include_router(router)
    add_exception_handlers(app, settings)
    openapi.describe(app)
    add_docs_page(app)
    app.mount(CONSOLE, create_console(services, access))
    app.add_middleware(UserIdTranslation, settings=settings)
    app.add_middleware(RequestLimits, forms_path=CONSOLE)
    app.add_middleware(Admission, client_of=access.client_of)
    app.add_middleware(WholeBody)
    app.add_middleware(ConditionalRequests)
    app.add_middleware(HeadRequests, paths=_head_paths(app))
    app.add_middleware(Compression, without=CONSOLE)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["authorization", "content-type", "if-none-match", *TRACE_HEADERS],
            expose_headers=EXPOSED_HEADERS,
        )
    if settings.otlp_endpoint:
        from penchant.api.http.tracing import Tracing, otlp_exporter, tracer_provider

        provider = tracer_provider(otlp_exporter(settings.otlp_endpoint))
        app.add_middleware(Tracing, provider=provider)
    app.add_middleware(ParameterLimit)
    app.add_middleware(AllowedHosts, settings=settings)
    app.add_middleware(
        EarlyLimit,
        client_of=access.client_of,
        seconds_to_wait=access.seconds_to_wait,
        charge=access.charge,
    )
    app.add_middleware(
        RequestLog, metrics=services.metrics, audit=audit, alarm=ErrorAlarm(services.settings)
    )
    return app


def _head_paths(app: FastAPI) -> list[str]:
    """GET routes whose response is not logged as shown."""
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    return [
        route.path
        for route in routes
        if "GET" in route.methods and (route.openapi_extra or {}).get(repetition.KEY, True)
    ]


def worker_app(rates: Path) -> FastAPI:
    """The application of one of several server processes. ``rates``: the file that they share."""
    app = create_app(Settings(), SharedRates(rates))
    configure_process()
    return app


def openapi_description() -> dict[str, Any]:
    """The OpenAPI description; it is the same for every home."""
    with TemporaryDirectory() as home:
        return create_app(Settings(home=Path(home))).openapi()


def _services(settings: Settings) -> Services:
    metrics, events = Metrics(settings), FreshEvents(settings)
    deletions = Deletions(settings)
    user_events = WithoutDeleted(events, deletions)
    states = FreshUserStates(user_events, metrics.count_fold_in)
    new_items = NewItemLog(settings)
    feedback_log = FeedbackLog(
        settings.feedback, metrics.count, Subjects(settings).erased, metrics.count_lost
    )
    ranker = Ranker(Objective.of(settings), metrics.count_ranking)
    recommender = Recommender(LivePolicies(settings), states, new_items, ranker)
    service = RecommendationService(settings, recommender)
    return Services(
        settings=settings,
        recommendations=service,
        listings=Listings(settings),
        new_items=new_items,
        features=LiveFeatures(settings),
        advertiser=Advertiser(settings, service),
        fresh_events=events,
        user_events=user_events,
        own_events=OwnEvents(settings, feedback_log, deletions),
        seen_items=SeenItems(settings, feedback_log, datetime.now(UTC).replace(tzinfo=None)),
        feedback_log=feedback_log,
        metrics=metrics,
    )


def _operation_id(route: APIRoute) -> str:
    """The handler's name, which is the name of the client's method."""
    return route.name
