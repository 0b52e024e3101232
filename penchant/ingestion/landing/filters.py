"""The SQL condition of a mapping: an expression over the columns of one row, nothing else."""

import json
from typing import Any

import duckdb

from penchant.ingestion.landing.reading import first_line, literal

FORBIDDEN = {"SUBQUERY": "has a subquery", "WINDOW": "has a window function"}
# functions whose result isn't that of their arguments alone
BEYOND_THE_ROW = (
    *("read_", "getenv", "getvariable", "current_", "glob", "random", "uuid", "gen_random"),
    *("now", "today", "get_current", "localtime", "transaction_timestamp", "nextval", "query"),
)
TIMES_WITHOUT_BRACKETS = {"current_date", "current_time", "current_timestamp", "localtime"}


class Disallowed(Exception):
    """The text isn't one condition on a row."""


def check_filter(text: str) -> None:
    """Raise Disallowed unless the text is an expression that depends on its row alone."""
    with duckdb.connect() as connection:
        query = f"SELECT json_serialize_sql({literal(f'SELECT 1 FROM t WHERE ({text})')})"
        try:
            parsed = json.loads(connection.execute(query).fetchall()[0][0])
        except duckdb.Error as error:
            raise Disallowed(first_line(error)) from error
    if parsed["error"]:
        raise Disallowed(str(parsed["error_message"]))
    node = parsed["statements"][0]["node"]
    one = len(parsed["statements"]) == 1 and node["type"] == "SELECT_NODE"
    if not one or node["modifiers"] or node["from_table"]["type"] != "BASE_TABLE":
        raise Disallowed("more than a condition")
    _check(node["where_clause"])


def _check(node: Any) -> None:
    for each in node if isinstance(node, list) else ():
        _check(each)
    if not isinstance(node, dict):
        return
    kind, function = node.get("class"), str(node.get("function_name", "")).lower()
    if kind in FORBIDDEN:
        raise Disallowed(FORBIDDEN[kind])
    names = node.get("column_names", [])
    if function.startswith(BEYOND_THE_ROW) or TIMES_WITHOUT_BRACKETS & set(map(str.lower, names)):
        raise Disallowed(f"{function or names[0]} depends on more than the row")
    for each in node.values():
        _check(each)
