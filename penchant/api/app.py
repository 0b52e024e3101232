"""The HTTP API: ``/v1`` for services, and live features in the wire format of Feast's own server.

Nothing of Feast's that writes has a route here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from penchant.api import metrics, openapi
from penchant.api.auth.access import Access
from penchant.api.auth.audit_log import AuditLog
from penchant.api.console.routes import console
from penchant.api.http import problems
from penchant.api.http.request_limits import Bounds
from penchant.api.request_log import Watch
from penchant.api.routes import feast_online_features as feast_wire
from penchant.api.routes import health
from penchant.api.routes.v1 import routes
from penchant.features.online_features import LiveFeatures
from penchant.feedback.log import FeedbackLog
from penchant.serving.fresh_events.events import FreshEvents
from penchant.serving.fresh_events.user_states import FreshUserStates
from penchant.serving.live_policy import LivePolicies
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

CONSOLE = "/console"


def create_app(settings: Settings) -> FastAPI:
    """The API over what is live: it follows the pointers, and writes to the feedback log and the
    audit log alone.

    A request is answered from one snapshot, named in the header ``Penchant-Snapshot``, or from one
    release, named in the answer, even when a pointer moves meanwhile.
    """
    audit, numbers = AuditLog(settings), metrics.Metrics(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.openapi()  # made once, before it is asked for
        yield
        audit.close()

    app = FastAPI(
        title="Penchant",
        version="1",
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    live, access = LiveFeatures(settings), Access(settings)
    events = FreshEvents(settings)
    service = RecommendationService(
        settings, Recommender(LivePolicies(settings), FreshUserStates(events, numbers.folded))
    )
    log = FeedbackLog(settings.feedback, numbers.count)
    app.include_router(routes(settings, access, live, service, log, events))
    feast_wire.add(app.router, access, live)
    health.add(app.router, settings, live)
    metrics.add(app.router, access, numbers)
    problems.handle(app, settings)
    openapi.describe(app)
    app.mount(CONSOLE, console(settings, access, service, events))
    app.add_middleware(Bounds, forms=CONSOLE)
    app.add_middleware(Watch, metrics=numbers, audit=audit)
    return app
