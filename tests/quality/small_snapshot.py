"""A small hand-written snapshot, to break one thing at a time."""

import json
from pathlib import Path
from typing import Any

import duckdb

from penchant.artifacts import MartDescription, Snapshot, SnapshotDescription
from penchant.settings import Settings

FIRST, SECOND = "s-20240301-00000000000a", "s-20240301-00000000000b"
AS_OF = "2024-03-01T00:00:00"

MARTS = {
    "users": """select 'u' || i as user_id, timestamp '2024-01-01' as first_seen_at
        from range(40) t(i)""",
    "events": """select 'e' || i as event_id, 'u' || i % 40 as user_id,
        ['view', 'purchase'][1 + i % 2] as event_type, (i % 7)::bigint as quantity,
        (i % 100) * 1.5::double as value,
        timestamp '2024-01-01' + to_minutes((i * 86)::bigint) as event_at,
        timestamp '2030-01-01' as ingested_at from range(1000) t(i)""",
    "user_statistics": """select 'u' || i % 40 as user_id,
        timestamp '2024-03-01' - to_days((28 * (i // 40))::integer) as feature_at,
        (i % 11)::bigint as orders_28d, (i % 13) * 2.5::double as spend_28d,
        ['a', 'b'] as top_categories, [0.5, 0.25]::double[] as top_category_weights
        from range(800) t(i)""",
    "propensities": """select 's' || i // 2 as slate_id, 0::bigint as position,
        'c' || i % 2 as candidate_id, 0.5::double as propensity from range(80) t(i)""",
    "policy_log": """select 'm' || i as impression_id, 's' || i as slate_id, 'c0' as item_id,
        0::bigint as position, 'uniform' as policy, 0.5::double as propensity
        from range(40) t(i)""",
}


def column(name: str, kind: str, *, key: bool = False, **meta: Any) -> dict[str, Any]:
    constraints = [{"type": "not_null"}] if key else []
    return {
        "name": name,
        "data_type": kind.lower(),
        "description": f"the {name}",
        "constraints": constraints,
        "config": {"meta": meta},
        "meta": meta,
    }


def model(name: str, folder: str, key: list[str], *columns: dict[str, Any]) -> dict[str, Any]:
    return {
        "resource_type": "model",
        "unique_id": f"model.penchant.{name}",
        "name": name,
        "fqn": ["penchant", "marts", folder, name],
        "description": f"one row a {name}",
        "columns": {each["name"]: each for each in columns},
        "constraints": [{"type": "primary_key", "columns": key}],
        "config": {"meta": {}},
    }


def generic_test(kind: str, on: str, of: str, **kwargs: Any) -> dict[str, Any]:
    return {
        "resource_type": "test",
        "attached_node": f"model.penchant.{on}",
        "column_name": of,
        "test_metadata": {"name": kind, "kwargs": kwargs},
    }


NODES = [
    model(
        "users",
        "core",
        ["user_id"],
        column("user_id", "varchar", key=True),
        column("first_seen_at", "timestamp"),
    ),
    model(
        "events",
        "core",
        ["event_id"],
        column("event_id", "varchar", key=True),
        column("user_id", "varchar", key=True),
        column("event_type", "varchar"),
        column("quantity", "bigint", min=0),
        column("value", "double", min=0, max=1000),
        column("event_at", "timestamp", key=True),
        column("ingested_at", "timestamp", wall_clock=True),
    ),
    model(
        "user_statistics",
        "features",
        ["user_id", "feature_at"],
        column("user_id", "varchar", key=True),
        column("feature_at", "timestamp", key=True),
        column("orders_28d", "bigint", min=0),
        column("spend_28d", "double"),
        column("top_categories", "varchar[]"),
        column("top_category_weights", "double[]", min=0, aligned_with="top_categories"),
    ),
    model(
        "propensities",
        "core",
        ["slate_id", "position", "candidate_id"],
        column("slate_id", "varchar", key=True),
        column("position", "bigint", key=True),
        column("candidate_id", "varchar", key=True),
        column("propensity", "double", min=0, max=1),
    ),
    model(
        "policy_log",
        "training",
        ["impression_id"],
        column("impression_id", "varchar", key=True),
        column("slate_id", "varchar"),
        column("item_id", "varchar", key=True),
        column("position", "bigint"),
        column("policy", "varchar"),
        column("propensity", "double", above=0, max=1),
    ),
    generic_test("relationships", "events", "user_id", to="ref('users')", field="user_id"),
    generic_test("accepted_values", "events", "event_type", values=["view", "purchase"]),
]


def write_mart(folder: Path, name: str, query: str) -> int:
    """Write the query's result as a mart; return its number of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{folder / name}.parquet' (format parquet)")
        counted = connection.execute(f"select count(*) from '{folder / name}.parquet'").fetchall()
    return counted[0][0]


def write_snapshot(settings: Settings, snapshot_id: str) -> Snapshot:
    folder = settings.snapshots / snapshot_id
    rows = {name: write_mart(folder / "marts", name, query) for name, query in MARTS.items()}
    manifest = {"nodes": {str(i): node for i, node in enumerate(NODES)}}
    (folder / "manifest.json").write_text(json.dumps(manifest))  # the order of columns counts
    description = SnapshotDescription(
        id=snapshot_id,
        as_of=AS_OF,
        sources=("simulator",),
        batches=1,
        marts={name: MartDescription(rows=count, content_hash="-") for name, count in rows.items()},
    )
    description.write(folder / "snapshot.json")
    return Snapshot.open(settings, snapshot_id)


def edit_mart(snapshot: Snapshot, name: str, query: str) -> None:
    """Replace a mart as if dbt had built it so; ``mart`` in the query is the old one."""
    file = snapshot.mart(name)
    rows = write_mart(snapshot.path / "edited", name, f"with mart as (from '{file}') {query}")
    (snapshot.path / "edited" / file.name).replace(file)
    path = snapshot.path / "snapshot.json"
    description = SnapshotDescription.read(path)
    marts = description.marts | {name: MartDescription(rows=rows, content_hash="edited")}
    description.model_copy(update={"marts": marts}).write(path)
