"""Segments: clusters of user vectors, named by the interests that distinguish them.

Vectors are compared within one release only, so segments are published with it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penchant.encryption.duckdb_connection import connect
from penchant.releases.hnsw_index import unit
from penchant.releases.release import USER_SEGMENTS

MOST_SEGMENTS = 8  # people lose track of more
LEAST_MEMBERS = 20  # on average
SILHOUETTE_USERS = 1000  # sample for the silhouette, whose cost grows with the square
FITTED_USERS = 20_000  # sample for the centres; all users get the nearest one
NAMED_BY = 2  # interests in a name
KEPT_INTERESTS = 5
SEED = 0

Labels = npt.NDArray[np.int64]


def segments(vectors_UD: np.ndarray) -> Labels:
    """Each user's segment, 0 for the largest: k-means of the vectors' directions.

    The number of segments is the one with the highest silhouette (Rousseeuw 1987), from 2 to 8 with
    at least 20 users each on average; one where there are fewer. Seeded, so that the same
    vectors give the same segments.
    """
    most = min(MOST_SEGMENTS, len(vectors_UD) // LEAST_MEMBERS)
    directions_UD = unit(vectors_UD.astype(np.float64))
    if most < 2 or len(np.unique(directions_UD, axis=0)) <= most:
        return np.zeros(len(vectors_UD), dtype=np.int64)
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    sample = _spread(len(directions_UD), SILHOUETTE_USERS)
    fitted = directions_UD[_spread(len(directions_UD), FITTED_USERS)]
    found: list[tuple[float, Labels]] = []
    with threadpool_limits(1):  # more threads sum in another order
        for count in range(2, most + 1):
            clusters = KMeans(count, n_init=3, random_state=SEED).fit(fitted)
            labels = clusters.predict(directions_UD)
            parts = len(np.unique(labels[sample]))
            quality = silhouette_score(directions_UD[sample], labels[sample]) if parts > 1 else -1.0
            found.append((float(quality), labels))
    best = max(found, key=lambda each: each[0])[1]
    sizes = np.bincount(best)
    return np.argsort(np.argsort(-sizes, kind="stable"))[best].astype(np.int64)


def _spread(users: int, most: int) -> Labels:
    """At most ``most`` rows, evenly spread over all users."""
    return np.unique(np.linspace(0, users - 1, min(users, most)).astype(np.int64))


def segment_table(
    user_ids: list[str], vectors_UD: np.ndarray, portraits: Path, transferred: Path | None
) -> pa.Table:
    """Rows of ``user_segments`` for users with vectors, in their order.

    ``portraits``: the mart ``user_portrait``. ``transferred``: a run's table of user_id, category
    (a path or its head) and share of the interest that is due to transfer; None without transfer.
    """
    labels = segments(vectors_UD)
    interests = _interests(user_ids, labels, portraits)
    names = _names(interests)
    moved = _transferred(user_ids, transferred)
    empty: tuple[list[str], list[float]] = ([], [])
    return pa.table(
        {
            USER_SEGMENTS.key: user_ids,
            "segment": [names[label] for label in labels],
            "segment_interests": pa.array(
                [interests[label][:KEPT_INTERESTS] for label in labels], pa.list_(pa.string())
            ),
            "transferred": pa.array(
                [moved.get(user_id, empty)[0] for user_id in user_ids], pa.list_(pa.string())
            ),
            "transferred_shares": pa.array(
                [moved.get(user_id, empty)[1] for user_id in user_ids], pa.list_(pa.float32())
            ),
        }
    )


def _interests(user_ids: list[str], labels: Labels, portraits: Path) -> list[list[str]]:
    """The interests of each segment with a higher mean weight than among all users, the largest
    difference first. An interest that a portrait does not list has weight 0."""
    members = pa.table({"user_id": user_ids, "label": labels})
    with connect(portraits) as connection:
        connection.register("members", members)
        rows = connection.execute(
            """
            WITH latest AS (  -- a join: arg_max of lists copies each list that it compares
                SELECT user_id, interests, interest_weights AS weights
                FROM read_parquet($portraits) JOIN (
                    SELECT user_id, max(feature_at) AS feature_at
                    FROM read_parquet($portraits) GROUP BY user_id
                ) USING (user_id, feature_at)
            ),
            listed AS (
                SELECT label, unnest(interests) AS interest, unnest(weights) AS weight
                FROM members JOIN latest USING (user_id)
            ),
            sizes AS (SELECT label, count(*) AS members FROM members GROUP BY label),
            everywhere AS (
                SELECT interest, sum(weight) / (SELECT count(*) FROM members) AS usual
                FROM listed GROUP BY interest
            )
            SELECT label, interest, sum(weight) / any_value(members) - any_value(usual) AS more
            FROM listed JOIN sizes USING (label) JOIN everywhere USING (interest)
            GROUP BY label, interest ORDER BY label, round(more, 9) DESC, interest
            """,
            {"portraits": str(portraits)},
        ).fetchall()
    found: list[list[str]] = [[] for _ in range(int(labels.max()) + 1)]
    for label, interest, _ in rows:
        found[label].append(interest)
    return found


def _names(interests: list[list[str]]) -> list[str]:
    """A unique name for each segment, from the leaves of its first interests."""
    names: list[str] = []
    for number, paths in enumerate(interests, start=1):
        leaves = list(dict.fromkeys(path.split(" > ")[-1] for path in paths))
        name = " and ".join(leaves[:NAMED_BY]) or "No interests yet"
        names.append(name if name not in names else f"{name} ({number})")
    return names


def _transferred(
    user_ids: list[str], table: Path | None
) -> dict[str, tuple[list[str], list[float]]]:
    """User id -> categories and their shares, for the users in the table."""
    if table is None:
        return {}
    with connect(table) as connection:
        rows = connection.execute(
            """
            SELECT user_id, list(category ORDER BY category), list(share ORDER BY category)
            FROM read_parquet($table) WHERE user_id IN (SELECT unnest($users)) GROUP BY user_id
            """,
            {"table": str(table), "users": user_ids},
        ).fetchall()
    return {user_id: (categories, shares) for user_id, categories, shares in rows}
