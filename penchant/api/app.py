"""The HTTP API: ``/v1`` for services, and live features in the wire format of Feast's own server.

Nothing of Feast's that writes has a route here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from penchant.feedback import FeedbackLog
from penchant.serving.exploring.live_policy import LivePolicies
from penchant.serving.fresh.events import FreshEvents
from penchant.serving.fresh.shoppers import FreshShoppers
from penchant.serving.http import feast_wire, health, metrics, openapi, problems
from penchant.serving.http.access import Access
from penchant.serving.http.audit import AuditLog
from penchant.serving.http.bounds import Bounds
from penchant.serving.http.console.routes import console
from penchant.serving.http.v1.routes import routes
from penchant.serving.http.watch import Watch
from penchant.serving.online_features import LiveFeatures
from penchant.serving.reader import Reader
from penchant.serving.recommending.recommender import Recommender
from penchant.settings import Settings

CONSOLE = "/console"


def create_app(settings: Settings) -> FastAPI:
    """The API over what is live: it follows the pointers, and writes to the feedback log and the
    audit log alone.

    A request is answered from one snapshot, named in the header ``Penchant-Snapshot``, or from one
    generation, named in the answer, even when a pointer moves meanwhile.
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
    reader = Reader(
        settings, Recommender(LivePolicies(settings), FreshShoppers(events, numbers.folded))
    )
    log = FeedbackLog(settings.feedback, numbers.count)
    app.include_router(routes(settings, access, live, reader, log, events))
    feast_wire.add(app.router, access, live)
    health.add(app.router, settings, live)
    metrics.add(app.router, access, numbers)
    problems.handle(app, settings)
    openapi.describe(app)
    app.mount(CONSOLE, console(settings, access, reader, events))
    app.add_middleware(Bounds, forms=CONSOLE)
    app.add_middleware(Watch, metrics=numbers, audit=audit)
    return app
