"""All routes under ``/v1``, over one reader and one log."""

from fastapi import APIRouter

from penchant.feedback import FeedbackLog
from penchant.serving.advertising.advertiser import Advertiser
from penchant.serving.fresh.events import FreshEvents
from penchant.serving.http.access import Access
from penchant.serving.http.v1 import (
    activity,
    ads,
    basket,
    events,
    features,
    portrait,
    recommendations,
    similar,
)
from penchant.serving.online_features import LiveFeatures
from penchant.serving.reader import Reader
from penchant.settings import Settings


def routes(
    settings: Settings,
    access: Access,
    live: LiveFeatures,
    reader: Reader,
    log: FeedbackLog,
    fresh: FreshEvents,
) -> APIRouter:
    """The router; ``reader`` follows the live generation, ``fresh`` the log."""
    router = APIRouter(prefix="/v1")
    recommendations.add(router, access, reader, log)
    basket.add(router, access, reader, log)
    ads.add(router, access, Advertiser(settings, reader), log)
    similar.add(router, access, reader)
    portrait.add(router, access, reader)
    features.add(router, access, live)
    activity.add(router, access, reader, fresh)
    events.add(router, access, log)
    return router
