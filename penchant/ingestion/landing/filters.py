"""The SQL of a mapping: an expression over the columns of one row, of functions that are bounded.

Functions are those of an allow-list. Others read files or settings, depend on the time or on other
rows, wait, or make a text of any length of a short one, as ``repeat('x', 1000000000)`` does.
"""

import json
from typing import Any

import duckdb

from penchant.ingestion.landing.reading import first_line, literal

LONGEST = 10_000  # characters of a derived text
FORBIDDEN = {"SUBQUERY": "has a subquery", "WINDOW": "has a window function"}
ALLOWED = """
    + - * / // % ^ ** & | << >> || ~~ !~~ ~~* !~~* ~~~ ^@ ->> @>
    like_escape not_like_escape ilike_escape not_ilike_escape
    abs ceil ceiling floor round round_even trunc sign sqrt pow power exp ln log mod
    greatest least isfinite isnan isinf nullif if ifnull
    lower lcase upper ucase trim ltrim rtrim left right length len strlen reverse
    substr substring instr strpos position contains starts_with ends_with prefix suffix
    concat concat_ws replace translate overlay split_part string_split str_split
    array_extract list_extract list_element element_at array_length list_contains array_contains
    regexp_matches regexp_full_match regexp_extract regexp_replace
    strip_accents nfc_normalize ascii chr unicode md5 sha256 hash hex
    date_part datepart extract date_trunc datetrunc date_diff datediff date_add date_sub
    year quarter month week day dayofweek isodow dayofyear hour minute second last_day
    make_date make_timestamp strptime try_strptime strftime epoch epoch_ms epoch_us
    to_timestamp timezone to_milliseconds to_microseconds
    to_seconds to_minutes to_hours to_days to_weeks to_months to_years
    json_extract json_extract_string json_extract_path_text json_value
    json_array_length json_exists struct_extract
"""
FUNCTIONS = frozenset(ALLOWED.split())
TIMES_WITHOUT_BRACKETS = {"current_date", "current_time", "current_timestamp", "localtime"}


class Disallowed(Exception):
    """The text isn't one expression over a row, of the functions of a mapping."""


def check_filter(text: str) -> None:
    """Raise Disallowed unless the text is such an expression."""
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


def bounded(sql: str, key: str) -> str:
    """A text of an expression, which fails beyond ``LONGEST`` characters: a mapping may use it
    several times in the next one, and that again."""
    message = literal(f"{key} is longer than {LONGEST:,} characters")
    return f"(CASE WHEN length({sql}) > {LONGEST} THEN error({message}) ELSE {sql} END)"


def _check(node: Any) -> None:
    for each in node if isinstance(node, list) else ():
        _check(each)
    if not isinstance(node, dict):
        return
    kind, function = node.get("class"), str(node.get("function_name", "")).lower()
    if kind in FORBIDDEN:
        raise Disallowed(FORBIDDEN[kind])
    if function and function not in FUNCTIONS:
        raise Disallowed(f"{function} is not one of the functions of a mapping")
    names = [str(name).lower() for name in node.get("column_names", [])]
    if TIMES_WITHOUT_BRACKETS.intersection(names):
        raise Disallowed(f"{names[0]} depends on more than the row")
    for each in node.values():
        _check(each)
