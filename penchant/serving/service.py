"""Answers from the live release, by what was published with it only."""

import threading
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from penchant.errors import PenchantError, UsageError
from penchant.feast_sdk import FeatureStore
from penchant.releases.opened import OpenRelease
from penchant.releases.release import USER_SEGMENTS
from penchant.serving.portrait import FEATURES, Portrait, portrait
from penchant.serving.recommending.basket import LARGEST, NOBODY, Completion, complete
from penchant.serving.recommending.options import DEFAULT_OPTIONS, RecommendOptions
from penchant.serving.recommending.recommendation import Recommendation
from penchant.serving.recommending.recommender import Recommender
from penchant.settings import Settings

MOST = 100  # items in a published list
LONGEST_ID = 128  # characters
KEPT_OPEN = 3  # as many releases as publish keeps
ATTEMPTS = 5  # to open what the pointer names, should it move meanwhile

_Read = TypeVar("_Read")
Allow = Callable[[FeatureStore, list[str]], None]


@dataclass(frozen=True)
class Item:
    """An item of an answer; the score compares only within that answer."""

    item_id: str
    title: str
    category: str | None
    score: float


@dataclass(frozen=True)
class Answer:
    """Items best first. ``asked`` is the id asked about, ``origin`` what ranked them."""

    asked: str
    origin: str
    release_id: str
    snapshot_id: str
    items: tuple[Item, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def render(self) -> str:
        """A heading and a line an item, for a terminal."""
        lines = [f"{self.asked}: {self.origin} (release {self.release_id})"]
        for place, item in enumerate(self.items, start=1):
            category = f"  [{item.category}]" if item.category else ""
            lines.append(
                f"{place:>3}. {item.score:>10.4f}  {item.item_id:>10}  {item.title}{category}"
            )
        return "\n".join(lines)


class RecommendationService:
    """Reads whatever release is live when a request arrives, and only that one for all of it.

    Safe to share between threads. Releases stay open between requests.
    """

    def __init__(self, settings: Settings, recommender: Recommender | None = None) -> None:
        """``recommender``: with the policy that picks slates, and what users did since; without,
        the ranker's order is shown and users are as they were published."""
        self._settings = settings
        self._recommender = recommender or Recommender()
        self._open: dict[str, OpenRelease] = {}
        self._lock = threading.Lock()

    def recommend(
        self,
        user_id: str,
        k: int = 10,
        options: RecommendOptions = DEFAULT_OPTIONS,
        slate_id: str | None = None,
    ) -> Recommendation:
        """What the ranker has for a known user, else what is popular, marked so: ``k`` items, or
        fewer where fewer pass what is wished for. ``slate_id``: of an answer to be given again.

        Raises UsageError for a malformed id, for ``k`` outside 1 to 100 and for a wish that can't
        be granted.
        """
        check_id("user", user_id)
        _check_k(k)
        return self.read(
            lambda opened: self._recommender.recommend(opened, user_id, k, options, slate_id)
        )

    def complete(self, basket: Sequence[str], k: int = 10, user_id: str = NOBODY) -> Completion:
        """The ``k`` items that go best with a basket, by their vectors, without the basket's own.

        Raises UsageError for a malformed id, for no item or more than 100, for ``k`` outside 1 to
        100, where no item of the basket has a vector and where popularity serves.
        """
        if not 1 <= len(basket) <= LARGEST:
            raise UsageError(f"the basket has {len(basket)} items", f"pass 1 to {LARGEST} item ids")
        for item_id in basket:
            check_id("item", item_id)
        if user_id != NOBODY:
            check_id("user", user_id)
        _check_k(k)
        return self.read(lambda opened: complete(opened, basket, k, user_id))

    def similar(self, item_id: str, k: int = 10) -> Answer:
        """The ``k`` items whose vectors point most nearly the same way as this item's.

        Raises UsageError for a malformed or unknown id, for ``k`` outside 1 to 100, and where
        popularity serves, which has no vectors.
        """
        check_id("item", item_id)
        _check_k(k)
        return self.read(lambda opened: _similar(opened, item_id, k))

    def popular(self, k: int = 10) -> Answer:
        """The ``k`` most popular items of the release's popularity prior, as unknown users get."""
        _check_k(k)
        return self.read(lambda opened: _popular(opened, k))

    def portrait(self, user_id: str, allow: Allow = lambda store, features: None) -> Portrait:
        """What is known of a user: of the live release, and of the snapshot that it is of.

        ``allow`` raises where the features read may not be. Raises UsageError for a malformed or
        unknown id.
        """
        check_id("user", user_id)
        return self.read(lambda opened: _portrait(opened, user_id, allow))

    def read(self, ask: Callable[[OpenRelease], _Read]) -> _Read:
        """Ask the release that the pointer names now.

        Publish may remove a release while it is asked, but only after the pointer has left it:
        then all of the question is put to the one that is live by now.
        """
        for _ in range(ATTEMPTS):
            live = self._settings.live_release.current()
            if live is None:
                raise UsageError("no release is live yet", "run `penchant publish` first")
            try:
                return ask(self._opened(live))
            except UsageError:
                raise
            except Exception:  # whichever of its files was missed first
                if self._settings.live_release.current() == live:
                    raise
        raise PenchantError(
            f"the live release was removed {ATTEMPTS} times while it was read", "try again"
        )

    def _opened(self, release_id: str) -> OpenRelease:
        with self._lock:
            opened = self._open.get(release_id)
            if opened is None:
                opened = OpenRelease(self._settings, release_id)
                self._open[release_id] = opened
                while len(self._open) > KEPT_OPEN:
                    del self._open[next(iter(self._open))]
            return opened


def _similar(opened: OpenRelease, item_id: str, k: int) -> Answer:
    release = opened.release
    if opened.nearest is None:
        raise UsageError(
            f"release {release.id} has no item vectors: popularity serves",
            "`penchant status` says why no family with vectors was chosen",
        )
    row = opened.row(release.item_vectors, item_id)
    if row is None:
        raise UsageError(
            f"item {item_id!r} has no vector in release {release.id}",
            "pass an item that enough users bought: of rarer ones nothing is learned",
        )
    near = opened.nearest.search(release.item_vector(row), k + 1)
    others = [(each, cosine) for each, cosine in near if each != item_id][:k]
    return _answer(opened, item_id, f"similar by {opened.family('retriever')}", others)


def _popular(opened: OpenRelease, k: int) -> Answer:
    items = opened.items
    names, scores_N = items.ids.names(items.prior_items_N[:k]), items.prior_scores_N[:k]
    scored = zip(names, scores_N.tolist(), strict=True)
    return _answer(opened, "popular", "popularity prior", list(scored))


def _portrait(opened: OpenRelease, user_id: str, allow: Allow) -> Portrait:
    allow(opened.features, FEATURES)
    release = opened.release
    segment = opened.row(USER_SEGMENTS, user_id) if release.has(USER_SEGMENTS) else None
    return portrait(opened.features, release.id, release.snapshot_id, user_id, segment)


def _answer(
    opened: OpenRelease, asked: str, origin: str, scored: list[tuple[str, float]]
) -> Answer:
    facts = opened.facts_of([item_id for item_id, _ in scored])
    items = tuple(
        Item(item_id, fact.title, fact.category, float(score))
        for (item_id, score), fact in zip(scored, facts, strict=True)
    )
    release = opened.release
    return Answer(asked, origin, release.id, release.snapshot_id, items)


def check_id(kind: str, value: str) -> None:
    remedy = f"pass the {kind}_id as the source has it, such as the ids `penchant report` shows"
    if not value.strip():
        raise UsageError(f"the {kind} id is empty", remedy)
    if len(value) > LONGEST_ID:
        raise UsageError(
            f"the {kind} id has {len(value)} characters, more than {LONGEST_ID}", remedy
        )
    # Unicode's categories C*: control, format, surrogate, private use, unassigned.
    if any(unicodedata.category(character).startswith("C") for character in value):
        raise UsageError(f"the {kind} id {value!r} has control characters", remedy)


def _check_k(k: int) -> None:
    if not 1 <= k <= MOST:
        raise UsageError(f"k is {k}", f"pass a k from 1 to {MOST}")
