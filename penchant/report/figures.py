"""Figures of the report besides the leaderboard, read from the directories of runs.

They come from the curve of the run's record, and from ``per_user.parquet``: each evaluated user's
metrics, hits in the first ten, and number of known events.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from penchant.artifacts import RunRecord, Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.releases.model_file import ranking_model_in
from penchant.report.ranking_model import RankingModelFigures
from penchant.settings import Settings

VALIDATION = "validation_ndcg@10"
LOST_WITHOUT = "ndcg@10 lost without "  # a curve's name; its step is the group
PREDICTED, OBSERVED = "predicted probability", "observed share"  # curves; step: a bin
NDCG_BY_VALUE, VALUE_BY_VALUE = "ndcg@10 by value weight", "value@10 by value weight"  # step: %
NDCG_BY_EXPLORATION = "ndcg@10 by exploration weight"
NOVELTY_BY_EXPLORATION = "novelty@10 by exploration weight"
GROUPS = 4  # of users, by their number of events
MAPPED_ITEMS = 1000  # the most bought
ITERATIONS = 400  # of t-SNE: 1.5 s
COLOURS = 7  # categories of the map with their own colour

Curve = list[tuple[float, float]]
"""Seconds since the run began, and the validation metric."""


@dataclass(frozen=True)
class FoundTargets:
    """Hits: purchases in a family's first ten. ``only``: those in no other family's first ten;
    ``users``: with such hits."""

    family: str
    found: int
    only: int
    users: int


@dataclass(frozen=True)
class Warmth:
    """NDCG@10 of each family in each of the ``groups`` of users, coldest first."""

    groups: tuple[str, ...]
    means: dict[str, list[float]]


@dataclass(frozen=True)
class Place:
    """An item on the map."""

    title: str
    category: str
    x: float
    y: float


@dataclass(frozen=True)
class Figures:
    """``places`` is empty where no family has vectors; ``categories``: those with a colour.
    ``lost``: see ``lost_without``."""

    curves: dict[str, Curve]
    found: list[FoundTargets]
    warmth: Warmth
    places: list[Place]
    categories: tuple[str, ...]
    lost: dict[str, list[float]] = field(default_factory=dict)
    ranking_models: list[RankingModelFigures] = field(default_factory=list)


def figures(
    settings: Settings, snapshot: Snapshot, families: list[dict[str, Any]], retriever: str | None
) -> Figures:
    """``families``: runs as in ``status``. ``retriever``: id of the run whose items are mapped."""
    runs = settings.runs / snapshot.id
    paths = {run["family"]: runs / run["run_id"] for run in families}
    with connect(settings.home, config={"threads": settings.threads}) as connection:
        ranked = {run["family"]: paths[run["family"]] for run in families if run["metrics"]}
        per_user(connection, ranked)
        found, warmth = predicted(connection, list(ranked)), by_warmth(connection)
        places = item_map(connection, snapshot, runs / retriever) if retriever else []
    counts = Counter(place.category for place in places)
    categories = tuple(name for name, _ in counts.most_common(COLOURS))
    lost = lost_without(paths)
    models = ranking_models(paths)
    return Figures(learning_curves(paths), found, warmth, places, categories, lost, models)


def learning_curves(paths: dict[str, Path]) -> dict[str, Curve]:
    """Family -> its curve, for those with more than one point."""
    curves = {}
    for family, path in paths.items():
        points = RunRecord.read(RunRecord.path(path)).curve
        curve = [(seconds, value) for name, _, value, seconds in points if name == VALIDATION]
        if len(curve) > 1:
            curves[family] = curve
    return curves


def lost_without(paths: dict[str, Path]) -> dict[str, list[float]]:
    """Source of fusion -> NDCG@10 lost without it in each group of users, coldest first."""
    lost: dict[str, list[float]] = {}
    for path in paths.values():
        for name, _, value, _ in RunRecord.read(RunRecord.path(path)).curve:
            if name.startswith(LOST_WITHOUT):
                lost.setdefault(name.removeprefix(LOST_WITHOUT), []).append(value)
    return lost


def ranking_models(paths: dict[str, Path]) -> list[RankingModelFigures]:
    """The ranking models among the runs."""
    found = []
    for path in paths.values():
        if record := ranking_model_in(path):
            curve = RunRecord.read(RunRecord.path(path)).curve
            predicted_B, observed_B = (
                [value for name, _, value, _ in curve if name == wanted]
                for wanted in (PREDICTED, OBSERVED)
            )
            pairs = list(zip(predicted_B, observed_B, strict=True))
            by_value = _trade_off(curve, NDCG_BY_VALUE, VALUE_BY_VALUE)
            by_exploration = _trade_off(curve, NDCG_BY_EXPLORATION, NOVELTY_BY_EXPLORATION)
            found.append(RankingModelFigures(record, pairs, by_value, by_exploration))
    return found


def _trade_off(
    curve: Sequence[tuple[str, int, float, float]], accuracy: str, brought: str
) -> list[tuple[float, float, float]]:
    """Weight, NDCG@10 and what the weight brings; ``accuracy`` and ``brought``: curves."""
    values = {step: value for name, step, value, _ in curve if name == brought}
    return [(step / 100, ndcg, values[step]) for name, step, ndcg, _ in curve if name == accuracy]


def per_user(connection: duckdb.DuckDBPyConnection, paths: dict[str, Path]) -> None:
    """Create the table ``evaluated``: a row for each family and user of the test window."""
    parts = [
        f"SELECT {number} AS family, * FROM read_parquet('{quoted(path / 'per_user.parquet')}')"
        for number, path in enumerate(paths.values())
    ]
    connection.execute(
        f"CREATE TEMP TABLE evaluated AS SELECT * FROM ({' UNION ALL BY NAME '.join(parts)}) "
        "WHERE \"window\" = 'test' AND population = 'all'"
    )
    connection.execute("CREATE TEMP TABLE names (family INTEGER, name VARCHAR)")
    connection.executemany("INSERT INTO names VALUES (?, ?)", list(enumerate(paths)))


def quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def predicted(connection: duckdb.DuckDBPyConnection, families: list[str]) -> list[FoundTargets]:
    """Hits of each family, the family with the most unique hits first."""
    rows = connection.execute(
        """
        WITH hits AS (SELECT family, user_id, unnest("found@10") AS item_id FROM evaluated),
        alone AS (
            SELECT any_value(family) AS family, user_id
            FROM hits GROUP BY user_id, item_id HAVING count(*) = 1
        ),
        unshared AS (
            SELECT family, count(*) AS pairs, count(DISTINCT user_id) AS users
            FROM alone GROUP BY family
        ),
        found AS (SELECT family, count(*) AS pairs FROM hits GROUP BY family)
        SELECT name, coalesce(found.pairs, 0),
               coalesce(unshared.pairs, 0), coalesce(unshared.users, 0)
        FROM names LEFT JOIN found USING (family) LEFT JOIN unshared USING (family)
        ORDER BY coalesce(unshared.pairs, 0) DESC, family
        """
    ).fetchall()
    return [FoundTargets(*row) for row in rows]


def by_warmth(connection: duckdb.DuckDBPyConnection) -> Warmth:
    """NDCG@10 in groups of users of about the same size, by their number of events."""
    rows = connection.execute(
        """
        WITH users AS (SELECT DISTINCT user_id, events FROM evaluated),
        grouped AS (
            -- users with the same number of events are in the same group
            SELECT user_id, events, least(
                floor($groups * percent_rank() OVER (ORDER BY events)), $groups - 1
            ) AS part
            FROM users
        ),
        labelled AS (
            SELECT user_id, part, min(events) OVER parts AS low, max(events) OVER parts AS high
            FROM grouped WINDOW parts AS (PARTITION BY part)
        )
        SELECT low, high, name, avg("ndcg@10")
        FROM evaluated JOIN labelled USING (user_id) JOIN names USING (family)
        GROUP BY low, high, name, family ORDER BY low, family
        """,
        {"groups": GROUPS},
    ).fetchall()
    means: dict[str, list[float]] = {}
    for _, _, name, mean in rows:
        means.setdefault(name, []).append(mean)
    spans = dict.fromkeys((low, high) for low, high, *_ in rows)
    groups = tuple(f"{low:,} to {high:,} events" for low, high in spans)
    return Warmth(groups, means)


def item_map(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, run: Path) -> list[Place]:
    """The most bought items that have a vector, in two dimensions."""
    rows = connection.execute(
        """
        WITH bought AS (
            SELECT item_id, count(*) AS times
            FROM (SELECT unnest(item_ids) AS item_id FROM read_parquet($sequences))
            GROUP BY item_id
        )
        SELECT title, coalesce(category_1, 'no category'), vector
        FROM read_parquet($vectors) AS vectors
        JOIN read_parquet($items) AS items USING (item_id)
        JOIN bought USING (item_id) ORDER BY times DESC, item_id LIMIT $most
        """,
        {
            "sequences": str(snapshot.mart("sequences")),
            "items": str(snapshot.mart("items")),
            "vectors": str(run / "item_vectors.parquet"),
            "most": MAPPED_ITEMS,
        },
    ).fetchall()
    if len(rows) < 3:  # too few for a map
        return []
    xy = projected(np.array([vector for *_, vector in rows]))
    return [
        Place(title, category, float(x), float(y))
        for (title, category, _), (x, y) in zip(rows, xy, strict=True)
    ]


def projected(vectors_ID: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Directions projected to two dimensions by t-SNE (van der Maaten & Hinton 2008).

    Two principal components are faster, but show a single cloud.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    directions_ID = vectors_ID / np.linalg.norm(vectors_ID, axis=1, keepdims=True)
    neighbours = min(30.0, (len(vectors_ID) - 1) / 3)
    drawn = TSNE(init="pca", perplexity=neighbours, max_iter=ITERATIONS, random_state=0, n_jobs=1)
    with threadpool_limits(
        1
    ):  # n_jobs doesn't limit OpenMP, whose waiting threads keep a core busy
        xy: npt.NDArray[np.float64] = drawn.fit_transform(directions_ID)
    return xy
