"""From which columns each column of the dbt models is computed, read from the compiled SQL.

A column is made of the columns in its expression, those of a window or an aggregate's filter too.
Rows that a join or a WHERE leaves out aren't followed.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from penchant.errors import PenchantError, UnknownId
from penchant.ingestion.ingest import SOURCES

DIALECT = "duckdb"
BATCHES_OF = re.compile(r"/landing/([^/*]+)/([^/*]+)/\*/data\.parquet$")
ADDED_WHEN_READ = ("filename",)
NEAR = 5  # names in an error
FILE = "file "  # a table that is read from other files than landed rows

Schema = dict[str, object]


@dataclass(frozen=True, order=True)
class TableColumn:
    """``table``: a dbt model, or ``source/table`` of landed rows."""

    table: str
    column: str

    @property
    def is_landed(self) -> bool:
        return "/" in self.table

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


class ColumnLineage:
    """The columns of all models and of the landed tables that they read."""

    def __init__(self, made_of: dict[TableColumn, frozenset[TableColumn]]) -> None:
        """``made_of``: of each model's column, in one step; models in the order of the build."""
        self.made_of = made_of
        landed = {source for sources in made_of.values() for source in sources if source.is_landed}
        self.columns = (*sorted(landed), *made_of)

    @classmethod
    def of(cls, manifest_json: Path) -> "ColumnLineage":
        """Read the lineage of a build. Raises PenchantError for SQL that can't be followed."""
        schema = _landed_schema()
        made_of: dict[TableColumn, frozenset[TableColumn]] = {}
        for model in _in_order(json.loads(manifest_json.read_text())["nodes"]):
            sources = _model_lineage(model, schema)
            schema[model["name"]] = dict.fromkeys(sources, "unknown")
            made_of |= {TableColumn(model["name"], name): each for name, each in sources.items()}
        return cls(made_of)

    def named(self, name: str) -> list[TableColumn]:
        """The columns that ``source/table.column``, ``table.column`` or ``column`` means.

        Raises UnknownId if there are none, with near names.
        """
        table, _, column = name.rpartition(".")
        found = [
            each
            for each in self.columns
            if each.column == column and table in ("", *_spellings(each.table))
        ]
        if not found:
            known = {str(each) for each in self.columns} | {each.column for each in self.columns}
            near = [*get_close_matches(name, known, NEAR), *get_close_matches(column, known, NEAR)]
            raise UnknownId(
                f"no landed table and no dbt model has the column {name!r}",
                f"pass one such as {', '.join(list(dict.fromkeys(near))[:NEAR])}"
                if near
                else "pass column, table.column or source/table.column, as in dbt's documentation",
            )
        return found

    def made_from(self, columns: Iterable[TableColumn]) -> set[TableColumn]:
        """The columns of models that are computed from one of these, in any number of steps."""
        reached = set(columns)
        for column, sources in self.made_of.items():
            if reached & sources:
                reached.add(column)
        return {column for column in reached if not column.is_landed}

    def landed_behind(self, columns: Iterable[TableColumn]) -> set[TableColumn]:
        """The landed columns that these are computed from."""
        wanted = set(columns)
        for column, sources in reversed(self.made_of.items()):
            if column in wanted:
                wanted |= sources
        return {column for column in wanted if column.is_landed}


def _spellings(table: str) -> tuple[str, str, str]:
    """A landed table also without its source, and with a dot between both."""
    return table, table.replace("/", "."), table.rpartition("/")[2]


def _landed_schema() -> Schema:
    return {
        f"{name}/{contract.table}": {
            **{column.name: column.type for column in contract.columns},
            **({contract.row_number: "BIGINT"} if contract.row_number else {}),
            **dict.fromkeys(ADDED_WHEN_READ, "VARCHAR"),
        }
        for name, source in SOURCES.items()
        for contract in source.CONTRACTS
    }


def _in_order(nodes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    models = {name: node for name, node in nodes.items() if node["resource_type"] == "model"}
    order = TopologicalSorter(
        {name: model["depends_on"]["nodes"] for name, model in models.items()}
    )
    return (models[name] for name in order.static_order() if name in models)


def _model_lineage(model: dict[str, Any], schema: Schema) -> dict[str, frozenset[TableColumn]]:
    """Output column -> what it is made of."""
    tree = parse_one(model["compiled_code"], dialect=DIALECT)
    for table in list(tree.find_all(exp.Table)):
        _name_table(table, schema)
    query = qualify(tree, schema=schema, dialect=DIALECT, validate_qualify_columns=False)
    _match_by_name(query)
    nodes = lineage(
        None, query, schema, scope=build_scope(query), dialect=DIALECT, trim_selects=False
    )
    if "*" in nodes:
        raise PenchantError(
            f"dbt model {model['name']}: `select *` of a table without known columns",
            "name the columns in its SQL",
        )
    return {name: frozenset(_leaves(node)) for name, node in nodes.items()}


def _name_table(table: exp.Table, schema: Schema) -> None:
    """Call models by their name alone, and what is read from files by source and table."""
    table.set("db", None)
    table.set("catalog", None)
    if isinstance(table.this, exp.Identifier):
        return
    path = table.this.find(exp.Literal)
    batches = BATCHES_OF.search(path.this) if path else None
    name = "/".join(batches.groups()) if batches else f"{FILE}{table.this.sql()}"
    if not batches:
        named = {key.this.name for key in table.this.find_all(exp.PropertyEQ)}
        schema[name] = dict.fromkeys({*named, *ADDED_WHEN_READ}, "unknown")
    table.set("this", exp.to_identifier(name, quoted=True))


def _match_by_name(query: exp.Expr) -> None:
    """Order the columns of ``UNION ALL BY NAME`` as in its first query: sqlglot pairs by place."""
    for union in list(query.find_all(exp.SetOperation)):
        if union.args.get("by_name"):
            named = {select.alias_or_name: select for select in union.expression.selects}
            ordered = [
                named.get(name, exp.alias_(exp.null(), name)) for name in union.this.named_selects
            ]
            union.expression.set("expressions", ordered)
            union.set("by_name", False)


def _leaves(node: Node) -> Iterator[TableColumn]:
    for leaf in node.walk():
        is_table = isinstance(leaf.source, exp.Table) and not leaf.downstream
        if is_table and not leaf.source.name.startswith(FILE):
            yield TableColumn(leaf.source.name, leaf.name.rpartition(".")[2].strip('"'))
