"""The models as dbt compiles them for a build that keeps rows, in the order they are built in.

Their SQL is the same on every day: the end of the data is a macro of the database. So it is
compiled once for a dbt project and its variables.
"""

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

SLICE = "/* slice */ 1"
"""What stands for the number of a slice, see dbt/macros/slices.sql."""
END_OF_DATA = "end_of_data()"
BATCHES = "landing/batches"
"""The list of landed files. A model of it reads all tables; what reads that model, some."""
PREVIOUS = "previous."
"""What SQL reads the previous database with."""


@dataclass(frozen=True)
class Model:
    """A table or mart. ``kept``: the condition of the rows that are kept; ``kept_by``: the column
    that decides it. ``compared``: of a table that is built whole, what names the rows that are
    written together, and not where they are those of the previous build. ``parts``: of a mart in
    several files, the end of a row's period. ``reads``:
    the landed tables that it depends on, as source/table; ``is_timely``: it depends on the end of
    the data too."""

    unique_id: str
    name: str
    materialized: str
    sql: str
    columns: tuple[str, ...]
    primary_key: tuple[str, ...]
    kept: str | None
    kept_by: str | None
    compared: str | None
    parts: str | None
    reads: frozenset[str]
    is_timely: bool

    @classmethod
    def of(cls, node: Mapping[str, Any], upstream: Iterable[Mapping[str, Any]]) -> "Model":
        """``upstream``: the nodes that it depends on, itself among them."""
        config = node["config"]
        kept = config.get("kept") or {}
        keys = [each["columns"] for each in node["constraints"] if each["type"] == "primary_key"]
        return cls(
            node["unique_id"],
            node["name"],
            config["materialized"],
            node["compiled_code"],
            tuple(node["columns"]),
            tuple(*keys),
            kept.get("where"),
            kept.get("by"),
            config.get("compared"),
            config.get("parts"),
            frozenset(
                table
                for each in upstream
                for table in _landed(each)
                if table != BATCHES or each is node
            ),
            any(END_OF_DATA in each["compiled_code"] for each in upstream),
        )

    def is_affected(self, changed: Set[str], as_of_changed: bool) -> bool:
        """Whether its rows may differ from those of the previous build. ``changed``: landed tables
        with other files."""
        compares = PREVIOUS in self.sql
        return compares or bool(self.reads & changed) or (self.is_timely and as_of_changed)

    def slices(self, count: int) -> list[str]:
        """Its SQL for each slice of the users; one for a model without slices."""
        if SLICE not in self.sql:
            return [self.sql]
        return [self.sql.replace(SLICE, f"/* slice */ {number + 1}") for number in range(count)]


def read_models(manifest_json: Path) -> list[Model]:
    """All models but views, which a copied database has already."""
    nodes = json.loads(manifest_json.read_text())["nodes"]
    models = {
        name: node
        for name, node in nodes.items()
        if node["resource_type"] == "model" and node["config"]["enabled"]
    }
    parents = {
        name: sorted(each for each in node["depends_on"]["nodes"] if each in models)
        for name, node in models.items()
    }
    upstream: dict[str, set[str]] = {}
    for name in TopologicalSorter(parents).static_order():
        upstream[name] = {name}.union(*(upstream[parent] for parent in parents[name]))
    return [
        Model.of(models[name], [models[each] for each in names])
        for name, names in upstream.items()
        if models[name]["config"]["materialized"] != "view"
    ]


def _landed(node: Mapping[str, Any]) -> list[str]:
    """The sources that a model reads itself."""
    sources = (each.split(".") for each in node["depends_on"]["nodes"])
    return [f"{each[-2]}/{each[-1]}" for each in sources if each[0] == "source"]
