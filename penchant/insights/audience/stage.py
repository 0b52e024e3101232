"""The `rank-audiences` stage: the users most likely to buy each item that is new."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression

from penchant.artifacts import Snapshot
from penchant.artifacts.audience import AUDIENCES, AudienceQuality, AudienceRecord
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.insights.audience.catalogue import Catalogue, Floats, read_catalogue
from penchant.insights.audience.profiles import (
    FEATURES,
    Profiles,
    Purchases,
    category_purchases,
    features_of,
    profiles_at,
    read_purchases,
)
from penchant.insights.intervals import mean_interval
from penchant.settings import Settings

WINDOW = 28  # days in which an item is new
WINDOWS = (168, 140, 112, 84, 56, 28)  # days before as_of at which windows begin
LEAST_BUYERS, LEAST_LAUNCHES, MOST_LAUNCHES = 3, 10, 1500
NEGATIVES = 20  # users who did not buy, per user who did
AUDIENCE, MOST_ITEMS, SEGMENTS = 500, 1000, 3
VALIDATIONS = 3  # windows that the method is selected on
LEARNED, CATEGORY = "learned", "category purchases"

Score = Callable[[int], Floats]
"""An item's row to the scores of all users."""


@dataclass(frozen=True)
class Launch:
    """A new item's row, and its first buyers as places in the profiles."""

    item: int
    buyers_B: np.ndarray


@dataclass(frozen=True)
class AudienceReport:
    """``repeated``: the audiences were there already."""

    record: AudienceRecord
    repeated: bool

    def summary(self) -> str:
        record, done = self.record, "unchanged" if self.repeated else "ranked"
        recall = record.quality[record.method].recall_100["mean"]
        return (
            f"{done} audiences of {record.items:,} new items by {record.method}; "
            f"{recall:.1%} of held-out first buyers among the best 100 users"
        )

    def as_dict(self) -> dict[str, Any]:
        return self.record.as_dict()


def rank_audiences(settings: Settings, snapshot_id: str) -> AudienceReport:
    """Write ``insights/<snapshot>/audience/``, once, and make it the published one.

    Raises NothingToDo for a snapshot with too few launches to learn from, select on or evaluate on.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)

    def write(folder: Path) -> AudienceRecord:
        record, table = audiences(settings, snapshot)
        pq.write_table(table, folder / AUDIENCES)
        return record

    record, repeated = AudienceRecord.publish_once(settings, snapshot.id, write)
    return AudienceReport(record, repeated)


def audiences(settings: Settings, snapshot: Snapshot) -> tuple[AudienceRecord, pa.Table]:
    """Learn from past launches, select, evaluate on the last, then rank users for the new items."""
    catalogue = read_catalogue(snapshot)
    purchases = read_purchases(snapshot, catalogue, settings.threads)
    random = np.random.default_rng(settings.seed)
    windows = [window_before(purchases, catalogue, days, random) for days in WINDOWS]
    counts = [len(each.launches) for each in windows]
    if min(counts[-2:]) < LEAST_LAUNCHES or sum(counts[:-2]) < LEAST_LAUNCHES:
        raise NothingToDo(
            f"items that were new and had {LEAST_BUYERS} first buyers, by four weeks up to the end "
            f"of snapshot {snapshot.id}: {', '.join(map(str, counts))}; audiences need "
            f"{LEAST_LAUNCHES} in each of the last two and before them",
            "nothing: audiences are ranked once enough items are new",
        )
    test, weights_F = windows[-1], fitted(windows[:-1])
    method = _selected(windows[:-1])
    tested = {
        LEARNED: test.learned(weights_F),
        CATEGORY: test.category,
        "activity": lambda item: test.profiles.activity_U,
        "random": lambda item: np.random.default_rng(item).random(len(test.profiles.rows_U)),
    }
    final_F = fitted(windows)
    now = profiles_at(purchases, catalogue, 0)
    items = new_items(purchases)
    record = AudienceRecord(
        snapshot_id=snapshot.id,
        users=len(now.rows_U),
        items=len(items),
        launches=sum(counts),
        method=method,
        weights=dict(zip(FEATURES, final_F.tolist(), strict=True)),
        tested_at=snapshot.as_of - timedelta(days=WINDOW),
        tested_launches=len(test.launches),
        tested_buyers=sum(len(each.buyers_B) for each in test.launches),
        quality={name: _quality(test, score) for name, score in tested.items()},
        difference=_difference(test, tested[method], test.category),
    )
    ranking = Window(now, catalogue, [])
    score = ranking.learned(final_F) if method == LEARNED else ranking.category
    return record, ranked_users(purchases, ranking, items, score)


@dataclass(frozen=True)
class Window:
    """Users as of a moment, and what was launched in the 28 days after it."""

    profiles: Profiles
    catalogue: Catalogue
    launches: list[Launch]

    def learned(self, weights_F: Floats) -> Score:
        return lambda item: features_of(self.profiles, self.catalogue, item) @ weights_F

    def category(self, item: int) -> Floats:
        return category_purchases(self.profiles, self.catalogue, item)

    def recalls(self, score: Score, most: int) -> Floats:
        """Of each launch: the share of its first buyers among the best users."""
        return np.array(
            [
                np.isin(
                    launch.buyers_B, np.argsort(-score(launch.item), kind="stable")[:most]
                ).mean()
                for launch in self.launches
            ]
        )


def _selected(windows: Sequence[Window]) -> str:
    """The method that finds more first buyers in the last windows, learned on those before each."""
    found: dict[str, list[float]] = {LEARNED: [], CATEGORY: []}
    for number in range(len(windows) - VALIDATIONS, len(windows)):
        window = windows[number]
        if window.launches and any(each.launches for each in windows[:number]):
            learned = window.learned(fitted(windows[:number]))
            for name, score in ((LEARNED, learned), (CATEGORY, window.category)):
                found[name].append(
                    sum(float(window.recalls(score, most).mean()) for most in (100, 500))
                )
    return max(found, key=lambda name: sum(found[name]))


def window_before(
    purchases: Purchases, catalogue: Catalogue, days_before: int, random: np.random.Generator
) -> Window:
    """Profiles so many days before ``as_of``, and the items first sold in the 28 days after."""
    profiles = profiles_at(purchases, catalogue, days_before)
    return Window(profiles, catalogue, launches(purchases, profiles, days_before, random))


def new_items(purchases: Purchases) -> list[int]:
    """Rows of items that nobody bought, then of those first bought in the last four weeks."""
    never = np.flatnonzero(purchases.first_I == 0)
    lately = np.flatnonzero((purchases.first_I > 0) & (purchases.first_I <= WINDOW))
    return [*never.tolist(), *lately.tolist()][:MOST_ITEMS]


def ranked_users(purchases: Purchases, ranking: Window, items: list[int], score: Score) -> pa.Table:
    """A row per item: its best users, best first, and their main categories against all users'."""
    user_ids = np.array(purchases.user_ids, dtype=object)[ranking.profiles.rows_U]
    level = ranking.profiles.counts["category_1"]
    main_U = np.where(level.getnnz(axis=1) > 0, np.asarray(level.argmax(axis=1)).ravel(), -1)
    names = _category_names(ranking.catalogue)
    rows = []
    for item in items:
        best = np.argsort(-score(item), kind="stable")[:AUDIENCE]
        rows.append(
            {
                "item_id": ranking.catalogue.item_ids[item],
                "title": ranking.catalogue.titles[item],
                "user_ids": user_ids[best].tolist(),
                "segments": _segments(main_U, best, names),
            }
        )
    segment = pa.struct(
        [("category", pa.string()), ("share", pa.float64()), ("share_of_all", pa.float64())]
    )
    schema = pa.schema(
        [
            ("item_id", pa.string()),
            ("title", pa.string()),
            ("user_ids", pa.list_(pa.string())),
            ("segments", pa.list_(segment)),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _segments(main_U: np.ndarray, best: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """Main categories that the best users have more often than all users, the clearest first."""
    shares = [
        (name, float((main_U[best] == code).mean()), float((main_U == code).mean()))
        for code, name in enumerate(names)
    ]
    found = sorted((of_all - share, name, share, of_all) for name, share, of_all in shares)
    return [
        {"category": name, "share": share, "share_of_all": of_all}
        for less, name, share, of_all in found[:SEGMENTS]
        if less < 0
    ]


def _category_names(catalogue: Catalogue) -> list[str]:
    """In the order of the columns of the first level."""
    return sorted({name for name in catalogue.first_level if name})


def launches(
    purchases: Purchases, profiles: Profiles, days_before: int, random: np.random.Generator
) -> list[Launch]:
    """Items first sold in the 28 days after a moment, with at least three buyers known before."""
    first_R = purchases.first_I[purchases.item_R]
    end = days_before - WINDOW
    new_R = (first_R <= days_before) & (first_R > end) & (purchases.day_R > end)
    place_of = np.full(len(purchases.user_ids), -1, np.int64)
    place_of[profiles.rows_U] = np.arange(len(profiles.rows_U))
    pairs = np.unique(
        np.column_stack([purchases.item_R[new_R], place_of[purchases.user_R[new_R]]]), axis=0
    )
    pairs = pairs[pairs[:, 1] >= 0]
    if not len(pairs):
        return []
    items, starts = np.unique(pairs[:, 0], return_index=True)
    found = [
        Launch(int(item), buyers_B)
        for item, buyers_B in zip(items, np.split(pairs[:, 1], starts[1:]), strict=True)
        if len(buyers_B) >= LEAST_BUYERS
    ]
    if len(found) > MOST_LAUNCHES:
        kept = np.sort(random.choice(len(found), MOST_LAUNCHES, replace=False))
        found = [found[place] for place in kept]
    return found


def _examples(
    profiles: Profiles, catalogue: Catalogue, launch: Launch, random: np.random.Generator
) -> tuple[Floats, np.ndarray]:
    """Features and whether they bought, of the first buyers and of sampled users who did not."""
    others = np.setdiff1d(np.arange(len(profiles.rows_U)), launch.buyers_B)
    wanted = min(len(others), NEGATIVES * len(launch.buyers_B))
    drawn = random.choice(others, wanted, replace=False)
    rows = np.r_[launch.buyers_B, drawn]
    bought = np.r_[np.ones(len(launch.buyers_B)), np.zeros(len(drawn))]
    return features_of(profiles, catalogue, launch.item)[rows], bought


def fitted(windows: Sequence[Window]) -> Floats:
    """weights_F of a logistic regression on first buyers and sampled others, per unit."""
    random = np.random.default_rng(0)
    examples = [
        _examples(window.profiles, window.catalogue, launch, random)
        for window in windows
        for launch in window.launches
    ]
    features_RF = np.vstack([features for features, _ in examples])
    bought_R = np.concatenate([bought for _, bought in examples])
    scale_F = np.maximum(features_RF.std(axis=0), 1e-9)
    model = LogisticRegression(C=1.0, max_iter=1000).fit(features_RF / scale_F, bought_R)
    return model.coef_[0] / scale_F


def _quality(test: Window, score: Score) -> AudienceQuality:
    return AudienceQuality(
        recall_100=mean_interval(test.recalls(score, 100)),
        recall_500=mean_interval(test.recalls(score, 500)),
    )


def _difference(test: Window, ours: Score, theirs: Score) -> AudienceQuality:
    """By item, so that items that are easy for both do not widen the interval."""
    return AudienceQuality(
        recall_100=mean_interval(test.recalls(ours, 100) - test.recalls(theirs, 100)),
        recall_500=mean_interval(test.recalls(ours, 500) - test.recalls(theirs, 500)),
    )
