"""Recommendations for several users in one call, all from one release."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.cursor import decode, encode
from penchant.serving.recommending.options import MAX_EXCLUDED, RecommendOptions
from penchant.serving.recommending.recommendation import Recommendation
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.recommending.user_state import UserStates


@dataclass(frozen=True)
class UserRequest:
    """``user_id``: ``ANONYMOUS`` for a visitor without one. ``users``: states with the events of
    the request. ``cursor``: of the page before. ``seen``: items to leave out too, up to the limit
    of excluded items."""

    user_id: str
    users: UserStates
    cursor: str | None = None
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """``next_cursor``: None where no page follows."""

    answer: Recommendation
    next_cursor: str | None

    def of_user(self, user_id: str) -> "Page":
        """The page under this id, also where the user was served as an anonymous one."""
        return replace(self, answer=replace(self.answer, user_id=user_id))


def pages(
    opened: OpenRelease,
    recommender: Recommender,
    requests: Sequence[UserRequest],
    k: int,
    options: RecommendOptions,
) -> list[Page]:
    """A page for each user. Raises UsageError for an invalid cursor or option."""
    return [_page(opened, recommender, each, k, options) for each in requests]


def _page(
    opened: OpenRelease,
    recommender: Recommender,
    request: UserRequest,
    k: int,
    options: RecommendOptions,
) -> Page:
    before = decode(request.cursor) if request.cursor else ()
    excluded = list(dict.fromkeys([*options.exclude, *before]))
    seen = [each for each in request.seen if each not in excluded]
    excluded += seen[: max(0, MAX_EXCLUDED - len(excluded))]
    left = replace(options, exclude=tuple(excluded))
    answer = recommender.recommend(opened, request.user_id, k, left, users=request.users)
    shown = [*before, *(item.item_id for item in answer.items)]
    return Page(answer, encode(shown) if len(answer.items) == k else None)
