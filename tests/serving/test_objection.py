"""A user who objects to profiling, or is being erased, is served like anybody unknown."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from penchant.errors import UsageError
from penchant.feedback.log import FeedbackLog
from penchant.privacy.erase import erase
from penchant.serving.advertising.advertiser import Advertiser
from penchant.serving.recommending.options import DEFAULT_OPTIONS
from penchant.serving.recommending.requests import UserRequest
from penchant.serving.recommending.user_state import PUBLISHED_ONLY
from penchant.serving.service import RecommendationService
from penchant.settings import Settings
from penchant.subjects import Subjects

NOW = datetime(2026, 3, 1)
USER = "u3"


@pytest.fixture
def settings(served_once: Any, tmp_path: Path) -> Settings:
    """A copy of the home, whose plan of ads has the user."""
    from test_advertising import write_plan

    home = tmp_path / "home"
    shutil.copytree(served_once.settings.home, home)
    copied: Settings = served_once.settings.model_copy(update={"home": home})
    (home / "ads" / "shown.db").unlink(missing_ok=True)
    write_plan(copied)
    return copied


def ids(answer: Any) -> list[str]:
    return [item.item_id for item in answer.items]


def test_popular_items_are_served_until_the_objection_is_withdrawn(settings: Settings) -> None:
    service = RecommendationService(settings)
    own, popular = ids(service.recommend(USER, 5)), ids(service.popular(5))
    assert own != popular
    Subjects(settings).request("object", USER, NOW)
    assert ids(service.recommend(USER, 5)) == popular
    (page,) = service.recommend_to([UserRequest(USER, PUBLISHED_ONLY)], 5, DEFAULT_OPTIONS)
    assert ids(page.answer) == popular
    for asked in (service.portrait, lambda user: service.segment(user, 5, lambda *_: None)):
        with pytest.raises(UsageError, match="'u3' is not profiled, on request"):
            asked(USER)
    assert not Advertiser(settings, service).select(USER, 5, NOW).ads
    assert ids(service.recommend("u4", 5)) != popular
    Subjects(settings).withdraw(USER)
    assert ids(service.recommend(USER, 5)) == own
    assert Advertiser(settings, service).select(USER, 5, NOW).ads


def test_an_erased_user_gets_popular_items_before_the_next_release(settings: Settings) -> None:

    service = RecommendationService(settings)
    event = {"event_id": "e", "user_id": USER, "event_type": "view"}
    FeedbackLog.of(settings).append("events", [event])
    erase(settings, [USER], NOW)
    assert ids(service.recommend(USER, 5)) == ids(service.popular(5))
