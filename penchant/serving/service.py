"""Recommendations, similar items and portraits from the live release."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import structlog

from penchant.api_schemas import has_control_characters
from penchant.errors import DataError, PenchantError, UsageError
from penchant.feast_sdk import FeatureStore
from penchant.releases.opened import OpenRelease
from penchant.releases.release import USER_SEGMENTS
from penchant.serving.portrait import FEATURES, Portrait, portrait
from penchant.serving.ranking.objective import Objective
from penchant.serving.ranking.ranker import Ranker
from penchant.serving.recommending.basket import ANONYMOUS, MAX_BASKET, Completion, complete
from penchant.serving.recommending.new_items import NONE, NewItems
from penchant.serving.recommending.options import DEFAULT_OPTIONS, RecommendOptions
from penchant.serving.recommending.rank import RankCandidate, Ranking, RankOptions, rank
from penchant.serving.recommending.ranking_stage import RankingStage
from penchant.serving.recommending.recommendation import Recommendation
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.recommending.requests import Page, UserRequest, pages
from penchant.serving.recommending.user_state import PUBLISHED_ONLY, UserStates
from penchant.serving.segment import SEGMENT_FEATURES, UserSegment, segment_of
from penchant.serving.similar_items import similar_items
from penchant.settings import Settings
from penchant.subjects import Subjects

MAX_K = 100  # items of a published list
MAX_ID_LENGTH = 128  # characters
MAX_OPEN = 3  # releases, as many as publishing keeps
RETRY_SECONDS = 30.0  # before a release that could not be opened is tried again
ATTEMPTS = 5  # to read the live release while the pointer moves

log = structlog.get_logger()
_Read = TypeVar("_Read")
Allow = Callable[[FeatureStore, list[str]], None]


@dataclass(frozen=True)
class ScoredItem:
    """``score`` compares only within one list."""

    item_id: str
    title: str
    category: str | None
    score: float


@dataclass(frozen=True)
class ScoredItems:
    """Items, best first. ``subject``: an item id, or ``popular``. ``origin``: what ranked them."""

    subject: str
    origin: str
    release_id: str
    snapshot_id: str
    items: tuple[ScoredItem, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def render(self) -> str:
        """A heading and a line per item, for a terminal."""
        lines = [f"{self.subject}: {self.origin} (release {self.release_id})"]
        for place, item in enumerate(self.items, start=1):
            category = f"  [{item.category}]" if item.category else ""
            lines.append(
                f"{place:>3}. {item.score:>10.4f}  {item.item_id:>10}  {item.title}{category}"
            )
        return "\n".join(lines)


class RecommendationService:
    """Answers each request from one release, the one that is live when the request arrives.

    Safe to share between threads. Releases stay open between requests. If the live release can't be
    opened, the one before it answers, and ``fault`` says why. Items have the attributes that a
    service sent last.
    """

    def __init__(self, settings: Settings, recommender: Recommender | None = None) -> None:
        """``recommender``: by default one without exploration and without fresh events."""
        self._settings, self._subjects = settings, Subjects(settings)
        self._recommender = recommender or Recommender(ranking=Ranker(Objective.of(settings)))
        self._open: dict[str, OpenRelease] = {}
        self._faulty: dict[str, tuple[PenchantError, float]] = {}  # and when it was tried
        self._lock = threading.Lock()

    @property
    def ranking(self) -> RankingStage:
        """The ranking stage of its recommendations."""
        return self._recommender.ranking

    def recommend(
        self,
        user_id: str,
        k: int = 10,
        options: RecommendOptions = DEFAULT_OPTIONS,
        slate_id: str | None = None,
    ) -> Recommendation:
        """Recommendations for a user; popular items for an unknown user and for one who is not
        profiled.

        ``k`` items, or fewer where fewer pass the filters. ``slate_id``: of an earlier answer, to
        repeat it. Raises UsageError for a malformed id, for ``k`` outside 1 to 100 and for an
        option that the shop's data doesn't support.
        """
        check_id("user", user_id)
        _check_k(k)
        known_as = user_id if self.profiles(user_id) else ANONYMOUS
        answer = self.read(
            lambda opened: self._recommender.recommend(opened, known_as, k, options, slate_id)
        )
        return answer if known_as == user_id else replace(answer, user_id=user_id)

    def recommend_to(
        self, requests: Sequence[UserRequest], k: int, options: RecommendOptions
    ) -> list[Page]:
        """A page of recommendations for each user, all from one release.

        Raises UsageError as ``recommend`` does, and for an invalid cursor.
        """
        _check_k(k)
        asked = [
            each if self.profiles(each.user_id) else UserRequest(ANONYMOUS, PUBLISHED_ONLY)
            for each in requests
        ]
        found = self.read(lambda opened: pages(opened, self._recommender, asked, k, options))
        return [page.of_user(each.user_id) for page, each in zip(found, requests, strict=True)]

    def rank(
        self,
        users: UserStates,
        user_id: str,
        candidates: Sequence[RankCandidate],
        k: int,
        options: RankOptions,
    ) -> Ranking:
        """The ``k`` best of a shop's own candidates for a user."""
        _check_k(k)
        if not self.profiles(user_id):
            users, user_id = PUBLISHED_ONLY, ANONYMOUS
        new_items = self._recommender.new_items
        return self.read(
            lambda opened: rank(
                opened, new_items.beside(opened), users, user_id, candidates, k, options
            )
        )

    def complete(self, basket: Sequence[str], k: int = 10, user_id: str = ANONYMOUS) -> Completion:
        """The ``k`` items nearest to a basket by vector, without those in it.

        Raises UsageError for a malformed id, for an empty basket or one of more than 100 items, for
        ``k`` outside 1 to 100, where no item of the basket has a vector and where popularity
        serves.
        """
        if not 1 <= len(basket) <= MAX_BASKET:
            raise UsageError(
                f"basket: must have 1 to {MAX_BASKET} items, got {len(basket)}",
                "pass other item ids",
            )
        for item_id in basket:
            check_id("item", item_id)
        if user_id != ANONYMOUS:
            check_id("user", user_id)
        _check_k(k)
        return self.read(lambda opened: complete(opened, basket, k, user_id))

    def similar(self, item_id: str, k: int = 10, category: str | None = None) -> ScoredItems:
        """The ``k`` items with the greatest cosine to an item's vector, within a category path.

        Raises UsageError for a malformed id, for an item without a vector, for ``k`` outside 1 to
        100, for an unknown category and where popularity serves, which has no vectors; UnknownId
        for an unknown item.
        """
        check_id("item", item_id)
        _check_k(k)
        new_items = self._recommender.new_items
        return self.read(
            lambda opened: _similar(opened, new_items.beside(opened), item_id, k, category)
        )

    def popular(self, k: int = 10) -> ScoredItems:
        """The ``k`` most popular items of the release's popularity prior, as unknown users get."""
        _check_k(k)
        return self.read(lambda opened: _popular(opened, k))

    def portrait(self, user_id: str, allow: Allow = lambda store, features: None) -> Portrait:
        """A user's portrait: interests and segment.

        ``allow`` raises where the features may not be read. Raises UsageError for a malformed or
        unknown id, and for a user who is not profiled.
        """
        check_id("user", user_id)
        self._require_profile(user_id)
        return self.read(lambda opened: _portrait(opened, user_id, allow))

    def segment(self, user_id: str, k: int, allow: Allow) -> UserSegment:
        """A user's segment, with ``k`` items for it. Raises as ``portrait`` does."""
        check_id("user", user_id)
        _check_k(k)
        self._require_profile(user_id)

        def read(opened: OpenRelease) -> UserSegment:
            allow(opened.features, SEGMENT_FEATURES)
            return segment_of(opened, user_id, k)

        return self.read(read)

    def _require_profile(self, user_id: str) -> None:
        if not self.profiles(user_id):
            raise UsageError(
                f"user {user_id!r} is not profiled, on request", "show popular items instead"
            )

    def profiles(self, user_id: str) -> bool:
        """False for a person who asked for erasure or objected."""
        return not self._subjects.excluded(user_id)

    def read(self, query: Callable[[OpenRelease], _Read]) -> _Read:
        """Run a query on the live release.

        Publishing removes a release only after the pointer has left it. If that happens during a
        query, the whole query runs again on the new live release.
        """
        for _ in range(ATTEMPTS):
            live = self._settings.live_release.current()
            if live is None:
                raise UsageError("no release is live yet", "run `penchant publish` first")
            try:
                opened = self._opened_or_previous(live)
                return query(self._recommender.new_items.current(opened))
            except UsageError:
                raise
            except Exception:  # any of its files may be missing
                if self._settings.live_release.current() == live:
                    raise
        raise PenchantError(
            f"the live release was removed {ATTEMPTS} times while it was read", "try again"
        )

    @property
    def fault(self) -> str | None:
        """Why the live release can't be opened; None where it can."""
        found = self._faulty.get(self._settings.live_release.current() or "")
        return found[0].cause if found else None

    def _opened_or_previous(self, live: str) -> OpenRelease:
        """Raises the live release's error where there is no earlier one that can be opened."""
        error, tried = self._faulty.get(live, (None, 0.0))
        if error is None or time.monotonic() - tried > RETRY_SECONDS:
            try:
                opened = self._opened(live)
                self._faulty.pop(live, None)
                return opened
            except UsageError:
                raise
            except Exception as cause:  # any file may be damaged, in any way
                error = _unreadable(live, cause)
                if self._settings.live_release.current() != live:
                    raise  # it was removed; ``read`` tries the new one
        previous = self._settings.live_release.previous()
        if previous is None:
            raise error
        try:
            opened = self._opened(previous)
        except Exception as second:
            raise error from second
        if live not in self._faulty:
            log.error("the previous release answers", live=live, previous=previous, why=error.cause)
        self._faulty[live] = error, time.monotonic()
        return opened

    def _opened(self, release_id: str) -> OpenRelease:
        with self._lock:
            opened = self._open.get(release_id)
            if opened is None:
                opened = OpenRelease(self._settings, release_id)
                opened.open_all()
                self._open[release_id] = opened
                while len(self._open) > MAX_OPEN:
                    del self._open[next(iter(self._open))]
            return opened


def _unreadable(release_id: str, error: Exception) -> PenchantError:
    if isinstance(error, PenchantError):
        return error
    return DataError(
        f"release {release_id} can't be opened: {error}",
        "run `penchant rollback`, or publish again",
    )


def _similar(
    opened: OpenRelease, new: NewItems, item_id: str, k: int, category: str | None
) -> ScoredItems:
    others = similar_items(opened, new, item_id, k, category)
    return _scored_items(opened, item_id, f"similar by {opened.family('retriever')}", others, new)


def _popular(opened: OpenRelease, k: int) -> ScoredItems:
    items = opened.items
    names, scores_N = items.ids.names(items.prior_items_N[:k]), items.prior_scores_N[:k]
    scored = zip(names, scores_N.tolist(), strict=True)
    return _scored_items(opened, "popular", "popularity prior", list(scored))


def _scored_items(
    opened: OpenRelease,
    subject: str,
    origin: str,
    scored: list[tuple[str, float]],
    new: NewItems = NONE,
) -> ScoredItems:
    facts = new.facts_of(opened, [item_id for item_id, _ in scored])
    items = tuple(
        ScoredItem(item_id, fact.title, fact.category, float(score))
        for (item_id, score), fact in zip(scored, facts, strict=True)
    )
    release = opened.release
    return ScoredItems(subject, origin, release.id, release.snapshot_id, items)


def _portrait(opened: OpenRelease, user_id: str, allow: Allow) -> Portrait:
    allow(opened.features, FEATURES)
    release = opened.release
    segment = opened.row(USER_SEGMENTS, user_id) if release.has(USER_SEGMENTS) else None
    return portrait(opened.features, release.id, release.snapshot_id, user_id, segment)


def check_id(kind: str, value: str) -> None:
    """Raise UsageError for an id that is empty, too long or has control characters."""
    remedy = f"pass the {kind}_id as the source has it, such as the ids `penchant report` shows"
    if not value.strip():
        raise UsageError(f"the {kind} id is empty", remedy)
    if len(value) > MAX_ID_LENGTH:
        raise UsageError(
            f"the {kind} id has {len(value)} characters, more than {MAX_ID_LENGTH}", remedy
        )
    if has_control_characters(value):
        raise UsageError(f"the {kind} id {value!r} has control characters", remedy)


def _check_k(k: int) -> None:
    if not 1 <= k <= MAX_K:
        raise UsageError(f"k: must be from 1 to {MAX_K}, got {k}", "fix k")
