"""Snapshots made by hand, small and with known features, with a manifest as dbt writes it."""

import json
from pathlib import Path
from typing import Any

import duckdb

from penchant.artifacts import CheckResults, SnapshotDescription
from penchant.settings import Settings
from penchant.storage import write_json

AS_OF = "2018-01-02T00:00:00"


def column(name: str, data_type: str, **meta: Any) -> dict[str, Any]:
    return {
        "name": name,
        "data_type": data_type,
        "description": f"The {name}.",
        "constraints": [],
        "config": {"meta": meta},
        "meta": {},
    }


def mart(
    name: str,
    columns: list[dict[str, Any]],
    key: list[str],
    folder: str = "features",
    feature_view: dict[str, Any] | None = None,
) -> dict[str, Any]:
    meta: dict[str, Any] = {"owner": "analysts"}
    if feature_view:
        meta["feature_view"] = {"timestamp": "feature_at", "online": True, **feature_view}
    return {
        "resource_type": "model",
        "unique_id": f"model.penchant.{name}",
        "name": name,
        "fqn": ["penchant", "marts", folder, name],
        "description": f"One row for each {' and '.join(key)}.",
        "columns": {each["name"]: each for each in columns},
        "constraints": [{"type": "primary_key", "columns": key}],
        "config": {"meta": meta},
    }


USER_STATISTICS = mart(
    "user_statistics",
    [
        column("user_id", "VARCHAR", pii="quasi"),
        column("feature_at", "TIMESTAMP"),
        column("orders_28d", "BIGINT"),
        column("spend_28d", "DOUBLE"),
        column("is_new", "BOOLEAN"),
        column("last_seen_at", "TIMESTAMP"),
        column("secret", "VARCHAR", pii="direct", online=False),
    ],
    ["user_id", "feature_at"],
    feature_view={"entities": ["user"], "ttl_days": 60, "services": ["portrait", "response"]},
)
USER_AFFINITIES = mart(
    "user_affinities",
    [
        column("user_id", "VARCHAR", pii="quasi"),
        column("feature_at", "TIMESTAMP"),
        column("top_categories", "VARCHAR[]", pii="quasi"),
        column("top_category_weights", "DOUBLE[]"),
    ],
    ["user_id", "feature_at"],
    feature_view={"entities": ["user"], "ttl_days": 0, "services": ["portrait", "response"]},
)
USER_CATEGORY = mart(
    "user_category_statistics",
    [
        column("user_id", "VARCHAR"),
        column("category", "VARCHAR"),
        column("feature_at", "TIMESTAMP"),
        column("affinity", "DOUBLE"),
    ],
    ["user_id", "category", "feature_at"],
    feature_view={"entities": ["user", "category"], "ttl_days": 0, "services": ["ranking"]},
)
AD_RESPONSES = mart(
    "ad_responses",
    [
        column("impression_id", "VARCHAR"),
        column("user_id", "VARCHAR"),
        column("shown_at", "TIMESTAMP"),
        column("converted", "BOOLEAN"),
        column("reward", "DOUBLE"),
    ],
    ["impression_id"],
    folder="training",
)
CAMPAIGN_SPENDING = mart(
    "campaign_spending",
    [
        column("offer_id", "VARCHAR"),
        column("user_id", "VARCHAR"),
        column("starts_at", "TIMESTAMP"),
        column("sent", "BOOLEAN"),
    ],
    ["offer_id"],
    folder="training",
)
AD_CANDIDATES = mart(
    "ad_candidates",
    [
        column("offer_id", "VARCHAR"),
        column("user_id", "VARCHAR"),
        column("feature_at", "TIMESTAMP"),
    ],
    ["offer_id"],
    folder="training",
)
OF_USERS = (USER_STATISTICS, USER_AFFINITIES, USER_CATEGORY)
MARTS = (*OF_USERS, AD_RESPONSES, CAMPAIGN_SPENDING, AD_CANDIDATES)

# Rows of a user at 28-day cutoffs. User 3 vanished 84 days ago, beyond the TTL of 60 days; the
# nulls, the empty arrays and the microseconds are there to be lost.
CUTOFF = "TIMESTAMP '2018-01-02' - to_days(CAST(28 * c AS INTEGER)) AS feature_at"
ROWS = {
    "user_statistics": f"""
        SELECT 'u' || u AS user_id, {CUTOFF},
            CASE WHEN u % 5 = 0 THEN NULL ELSE {{mark}} * 1000 + u * 10 + c END AS orders_28d,
            CAST({{mark}} * 1000 + u + c / 8 AS DOUBLE) AS spend_28d,
            u % 2 = 0 AS is_new,
            CASE WHEN u % 3 > 0 THEN TIMESTAMP '2017-12-01 10:20:30.456789' END AS last_seen_at,
            'hidden' AS secret
        FROM range({{users}}) AS _(u), range(5) AS _(c)
        WHERE u <> 3 OR c >= 3
    """,
    "user_affinities": f"""
        SELECT 'u' || u AS user_id, {CUTOFF},
            CASE WHEN u % 4 = 0 THEN [] ELSE ['c' || u % 7, 'mark{{mark}}'] END
                AS top_categories,
            CASE WHEN u % 4 = 0 THEN []::DOUBLE[] ELSE [u, {{mark}}]::DOUBLE[] END
                AS top_category_weights
        FROM range({{users}}) AS _(u), range(3) AS _(c)
    """,
    "user_category_statistics": """
        SELECT 'u' || u AS user_id, 'c' || k AS category, TIMESTAMP '2018-01-02' AS feature_at,
            CAST({mark} + u / 100 + k AS DOUBLE) AS affinity
        FROM range({users}) AS _(u), range(4) AS _(k)
    """,
    "ad_responses": """
        SELECT 'i' || i AS impression_id, 'u' || (i % {users}) AS user_id,
            TIMESTAMP '2017-08-01 12:00:00' + to_hours(CAST(i * 13 AS INTEGER)) AS shown_at,
            i % 3 = 0 AS converted,
            CASE WHEN i % 4 = 0 THEN NULL ELSE i / 10 END AS reward
        FROM range({impressions}) AS _(i)
    """,
    "campaign_spending": """
        SELECT 'c1-u' || u AS offer_id, 'u' || u AS user_id, TIMESTAMP '2017-12-05' AS starts_at,
            u % 2 = 0 AS sent
        FROM range(CASE WHEN {impressions} > 0 THEN {users} ELSE 0 END) AS _(u)
    """,
    "ad_candidates": """
        SELECT 'c2-u' || u AS offer_id, 'u' || u AS user_id, TIMESTAMP '2018-01-02' AS feature_at
        FROM range(CASE WHEN {impressions} > 0 THEN {users} ELSE 0 END) AS _(u)
    """,
}


def write_snapshot(
    settings: Settings,
    snapshot_id: str,
    mark: int = 1,
    users: int = 20,
    impressions: int = 200,
    marts: tuple[dict[str, Any], ...] = MARTS,
    rows: dict[str, str] | None = None,
) -> Path:
    """A checked snapshot whose every number carries ``mark``; its folder."""
    folder = settings.snapshots / snapshot_id
    (folder / "marts").mkdir(parents=True)
    nodes = {each["unique_id"]: each for each in marts}
    write_json(folder / "manifest.json", {"nodes": nodes})
    SnapshotDescription(id=snapshot_id, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=snapshot_id, passed=True).write(folder / "checks.json")
    with duckdb.connect() as connection:
        for each in marts:
            query = (ROWS | (rows or {}))[each["name"]]
            connection.execute(
                f"COPY ({query.format(mark=mark, users=users, impressions=impressions)}) "
                f"TO '{folder}/marts/{each['name']}.parquet' (FORMAT parquet)"
            )
    return folder


def edit_manifest(folder: Path, change: Any) -> None:
    """Let ``change`` alter the manifest's nodes in place."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest["nodes"])
    write_json(folder / "manifest.json", manifest)
