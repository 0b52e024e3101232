"""The metrics of the dbt project are what the console's figures count.

MetricFlow, which makes queries of metrics, is no part of the platform, and a snapshot has to be
readable without the dbt project. So the code has its own queries, and this compares both. Where
MetricFlow is installed, its queries are compared too.
"""

import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
import yaml

from penchant.artifacts import Snapshot, SnapshotDescription
from penchant.insights.demand.series import read_demand
from penchant.insights.retention.history import read_orders
from penchant.settings import PROJECT_ROOT

DESCRIBED = yaml.safe_load((PROJECT_ROOT / "dbt" / "models" / "metrics.yml").read_text())
DIMENSION = re.compile(r"\{\{ Dimension\('event__(\w+)'\) \}\}")
AGGREGATES = {"sum": "sum({})", "count_distinct": "count(distinct {})"}
AS_OF = datetime(2024, 3, 1)


def value_of(name: str, events: Path) -> float:
    """A simple metric over all events."""
    metric: dict[str, Any] = next(one for one in DESCRIBED["metrics"] if one["name"] == name)
    [model] = DESCRIBED["semantic_models"]
    measure = next(
        one for one in model["measures"] if one["name"] == metric["type_params"]["measure"]
    )
    where = DIMENSION.sub(r"\1", metric.get("filter", "true"))
    aggregate = AGGREGATES[measure["agg"]].format(measure["expr"])
    [row] = duckdb.execute(f"select {aggregate} from '{events}' where {where}").fetchall()
    return float(row[0])


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    found = Snapshot("s-20240301-000000000001", tmp_path / "s")
    (found.path / "marts").mkdir(parents=True)
    SnapshotDescription(id=found.id, as_of=AS_OF).write(found.path / "snapshot.json")
    rows = [
        ("e1", "u1", "i1", "purchase", 2, 10.0, "2024-02-16"),
        ("e2", "u2", "i1", "purchase", None, None, "2024-02-28 12:00"),
        ("e3", "u1", "i1", "return", 1, 5.0, "2024-02-11"),
        ("e4", "u3", "i1", "view", None, None, "2024-02-12"),
    ]
    with duckdb.connect() as connection:
        connection.execute(
            "create table e (event_id varchar, user_id varchar, item_id varchar, "
            "event_type varchar, quantity bigint, value double, event_at timestamp)"
        )
        connection.executemany("insert into e values (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute(f"copy e to '{found.mart('events')}' (format parquet)")
        connection.execute(
            "copy (select 'i1' as item_id, 'Tea' as category_1, 'Tea' as title) "
            f"to '{found.mart('items')}' (format parquet)"
        )
    return found


def test_figures_of_the_console_are_metrics(snapshot: Snapshot) -> None:
    events = snapshot.mart("events")
    demand, orders = read_demand(snapshot, 1, least_weeks=2), read_orders(snapshot, 1)
    assert value_of("pieces_sold", events) == demand.pieces_ND.sum() == 3
    assert value_of("revenue", events) == orders.value_R.sum() == 10
    assert value_of("buyers", events) == len(orders.user_ids) == 2
    assert value_of("active_users", events) == 3


def test_measures_read_columns_of_the_mart() -> None:
    mart = yaml.safe_load((PROJECT_ROOT / "dbt/models/marts/core/events.yml").read_text())
    columns = {column["name"] for column in mart["models"][0]["columns"]}
    [model] = DESCRIBED["semantic_models"]
    dimensions = {one.get("expr", one["name"]) for one in model["dimensions"]}
    keys = {one["expr"] for one in model["entities"]}
    assert dimensions | keys <= columns


@pytest.mark.long
def test_metricflow_reads_the_metrics(snapshot: Snapshot, tmp_path: Path) -> None:
    """``pip install metricflow``; its SQL is run on the marts."""
    pytest.importorskip("metricflow")
    from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
    from metricflow.protocols.sql_client import SqlEngine
    from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
    from metricflow_semantics.model.dbt_manifest_parser import (
        parse_manifest_from_dbt_generated_manifest,
    )
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    client = SimpleNamespace(
        sql_engine_type=SqlEngine.DUCKDB,
        sql_plan_renderer=DuckDbSqlPlanRenderer(),
        render_bind_parameter_key=lambda key: f"${key}",
    )
    subprocess.run(
        [Path(sys.executable).with_name("dbt"), "parse", "--target-path", tmp_path / "target"],
        cwd=PROJECT_ROOT / "dbt",
        env={**os.environ, "PENCHANT_HOME": str(tmp_path / "home")},
        check=True,
    )
    text = (tmp_path / "target" / "semantic_manifest.json").read_text()
    lookup = SemanticManifestLookup(parse_manifest_from_dbt_generated_manifest(text))
    engine = MetricFlowEngine(lookup, client)
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as penchant; use penchant")
        connection.execute(f"create view events as from '{snapshot.mart('events')}'")
        for name in ("pieces_sold", "revenue", "buyers", "active_users"):
            request = MetricFlowQueryRequest.create(metric_names=[name])
            sql = engine.explain(request).sql_statement.sql
            [(found,)] = connection.execute(sql).fetchall()
            assert float(found) == value_of(name, snapshot.mart("events")), name
