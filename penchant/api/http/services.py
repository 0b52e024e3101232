"""What request handlers use: made once for each application, injected by FastAPI."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from penchant.api.http.metrics import Metrics
from penchant.features.online_features import LiveFeatures
from penchant.feedback.log import FeedbackLog
from penchant.serving.advertising.advertiser import Advertiser
from penchant.serving.fresh_events.events import FreshEvents
from penchant.serving.fresh_events.seen_items import SeenItems
from penchant.serving.fresh_events.user_states import EventSource
from penchant.serving.listings import Listings
from penchant.serving.new_items.item_log import NewItemLog
from penchant.serving.own_events import OwnEvents
from penchant.serving.service import RecommendationService
from penchant.settings import Settings


@dataclass(frozen=True)
class Services:
    settings: Settings
    recommendations: RecommendationService
    listings: Listings
    new_items: NewItemLog
    features: LiveFeatures
    advertiser: Advertiser
    fresh_events: FreshEvents
    user_events: EventSource
    own_events: OwnEvents
    seen_items: SeenItems
    feedback_log: FeedbackLog
    metrics: Metrics


async def _services(request: Request) -> Services:
    """Asynchronous, so that FastAPI doesn't start a thread for it."""
    return request.app.state.services


AppServices = Annotated[Services, Depends(_services)]
