"""All routes under ``/v1``, over one reader and one log."""

from fastapi import APIRouter

from penchant.api.auth.access import Access
from penchant.api.routes import (
    activity,
    ads,
    basket,
    events,
    features,
    portrait,
    recommendations,
    similar,
)
from penchant.features.online_features import LiveFeatures
from penchant.feedback.log import FeedbackLog
from penchant.serving.advertising.advertiser import Advertiser
from penchant.serving.fresh_events.events import FreshEvents
from penchant.serving.service import RecommendationService
from penchant.settings import Settings


def routes(
    settings: Settings,
    access: Access,
    live: LiveFeatures,
    service: RecommendationService,
    log: FeedbackLog,
    fresh: FreshEvents,
) -> APIRouter:
    """The router; ``reader`` follows the live release, ``fresh`` the log."""
    router = APIRouter(prefix="/v1")
    recommendations.add(router, access, service, log)
    basket.add(router, access, service, log)
    ads.add(router, access, Advertiser(settings, service), log)
    similar.add(router, access, service)
    portrait.add(router, access, service)
    features.add(router, access, live)
    activity.add(router, access, service, fresh)
    events.add(router, access, log)
    return router
