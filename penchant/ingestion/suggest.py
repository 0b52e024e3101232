"""Draft a mapping from a shop's files: ``penchant mapping suggest FILE…``.

Names of columns are compared with those that shops use, and values of the first rows with what the
canonical columns hold. What was guessed is a comment beside it, to be confirmed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from penchant.errors import UsageError
from penchant.ingestion.landing.reading import ENDINGS, ending_of
from penchant.ingestion.sampling import Sample, sample
from penchant.ingestion.synonyms import EVENT_TYPES, NAMES, TIME_FORMATS, UNSEPARATED

HEADER = "# Drafted from the files. Confirm each comment, then run `penchant mapping check`."

NO_EVENTS = (
    "# No file has events: who did what with which item, when. Name one more, or write its table."
)


@dataclass
class Draft:
    """A table's mapping, and what was guessed: key → doubt."""

    table: str
    body: dict[str, Any]
    doubts: dict[str, str] = field(default_factory=dict)


def suggest(files: Sequence[Path]) -> str:
    """A mapping of these files as YAML with comments. Raises UsageError for unreadable files."""
    drafts = [_draft(file) for file in files]
    lines = [
        HEADER,
        "timezone: UTC  # of times without an offset: the shop's, such as Europe/Paris",
    ]
    lines.append("tables:")
    for table in dict.fromkeys(draft.table for draft in drafts):
        of_table = [draft for draft in drafts if draft.table == table]
        lines.append(f"  {table}:")
        for draft in of_table:
            lines += _lines(draft, is_listed=len(of_table) > 1)
    if not any(draft.table == "events" for draft in drafts):
        lines.append(NO_EVENTS)
    return "\n".join(lines) + "\n"


def _draft(file: Path) -> Draft:
    if not file.is_file() or ending_of(file.name) is None:
        endings = ", ".join(ENDINGS)
        raise UsageError(f"{file} is not a file with one of the endings {endings}", "name a file")
    found = sample(file)
    table = _table_of(found)
    draft = Draft(table, {"path": file.name, **found.form})
    draft.doubts |= found.doubts
    taken: dict[str, Any] = {}
    for column, names in NAMES[table].items():
        theirs = _named(found, names, {used for used in taken.values() if isinstance(used, str)})
        if theirs:
            taken[column] = theirs
    if table == "events":
        _complete_events(draft, found, taken)
    else:
        _complete_catalogue(draft, found, taken)
    draft.body["columns"] = taken
    return draft


def _table_of(found: Sample) -> str:
    """Events have times, and items or users; items have titles or prices; the rest are users."""

    def has(table: str, column: str) -> bool:
        return _named(found, NAMES[table][column], set()) is not None

    has_item, has_user = has("events", "item_id"), has("events", "user_id")
    if has("events", "event_at") and (has_item or has_user):
        return "events"
    if has_item and has_user and _column_of_times(found):
        return "events"
    return "items" if has("items", "item_id") else "users"


def _column_of_times(found: Sample) -> str | None:
    """The first column whose values are all written as times, which plain numbers are not."""
    written = [
        name for name in TIME_FORMATS if not name.startswith("epoch") and name not in UNSEPARATED
    ]
    return next(
        (
            column
            for column in found.columns
            if any(found.reads_times(column, name) for name in written)
        ),
        None,
    )


def _named(found: Sample, names: Sequence[str], taken: set[str]) -> str | None:
    """The file's column with one of these names, the earlier ones first."""
    simple = {_simple(column): column for column in found.columns if column not in taken}
    exact = next((simple[name] for name in names if name in simple), None)
    return exact or next(
        (column for name in names for short, column in simple.items() if name in short.split("_")),
        None,
    )


def _simple(name: str) -> str:
    spaced = "".join(f"_{one}" if one.isupper() else one for one in name)
    joined = "".join(one.lower() if one.isalnum() else "_" for one in spaced)
    parts = [part for part in joined.split("_") if part]
    short = "".join(part for part in parts if len(part) == 1)  # SKU becomes s_k_u
    return short if len(short) == len(parts) and short else "_".join(parts)


def _complete_events(draft: Draft, found: Sample, taken: dict[str, Any]) -> None:
    if "item_id" not in taken:
        draft.doubts["columns"] = "no column of items was found: name it under item_id"
    _time(draft, found, taken)
    _numbers(draft, found, [taken.get("quantity"), taken.get("value")])
    _type(draft, found, taken)
    _total(draft, found, taken)
    if "session_id" not in taken and "user_id" in taken and "event_at" in taken:
        user, at = (_quoted(taken[name]) for name in ("user_id", "event_at"))
        seconds = {"epoch_seconds": 86_400, "epoch_milliseconds": 86_400_000}
        unit = seconds.get(str(draft.body.get("timestamp_format")))
        day = f"CAST(CAST({at} AS BIGINT) // {unit} AS VARCHAR)" if unit else f"left({at}, 10)"
        draft.body.setdefault("derived", {})["session"] = f"{user} || ' ' || {day}"
        draft.doubts["derived"] = "no session was found: a user's events of a day are one"
        taken["session_id"] = "session"
    taken.setdefault("user_id", taken.get("session_id", "?"))
    if "event_id" in taken and not found.is_unique([taken["event_id"]]):
        del taken["event_id"]
    if "event_id" not in taken:
        key = _key(found, [taken.get(name) for name in ("session_id", "item_id", "event_at")])
        taken["event_id"] = key
        draft.doubts["event_id"] = "unique in the first rows; a repeated one quarantines the file"
    draft.body.setdefault("constants", {})
    if not draft.body["constants"]:
        del draft.body["constants"]


def _complete_catalogue(draft: Draft, found: Sample, taken: dict[str, Any]) -> None:
    key = "item_id" if draft.table == "items" else "user_id"
    if key not in taken:
        taken[key] = found.columns[0]
        draft.doubts[key] = "a guess: the first column"
    if draft.table == "items" and "title" not in taken:
        taken["title"] = taken[key]
        draft.doubts["title"] = "no title was found: the id stands in"
    if not found.is_unique([taken[key]]):
        draft.body["last_of_key"] = True
        draft.doubts["last_of_key"] = f"{taken[key]} repeats: the last row of each lands"
    _numbers(draft, found, [taken.get("price")])


def _time(draft: Draft, found: Sample, taken: dict[str, Any]) -> None:
    """The format that reads every sampled time; the first of several is a doubt."""
    if "event_at" not in taken and (guess := _column_of_times(found)):
        taken["event_at"] = guess
        draft.doubts["event_at"] = "a guess: the first column of times"
    column = taken.get("event_at")
    if column is None:
        draft.doubts["columns"] = "no column of times was found: name it under event_at"
        return
    fitting = [name for name in TIME_FORMATS if found.reads_times(column, name)]
    if not fitting:
        draft.doubts["event_at"] = f"unread, such as {found.first(column)!r}: add timestamp_format"
    elif fitting[0] != "ISO 8601":
        draft.body["timestamp_format"] = fitting[0]
        if len(fitting) > 1:
            draft.doubts["timestamp_format"] = f"or {fitting[1]}: no day is above 12"


def _numbers(draft: Draft, found: Sample, columns: Sequence[str | None]) -> None:
    """Characters of decimals and thousands, where texts of the columns need them."""
    for column in filter(None, columns):
        marks = found.number_marks(column)
        if marks is None:
            draft.doubts[f"of {column}"] = f"not a number: {found.first(column)!r}"
        elif marks != (".", ""):
            draft.body["decimal"] = marks[0]
            if marks[1]:
                draft.body["thousands"] = marks[1]


def _type(draft: Draft, found: Sample, taken: dict[str, Any]) -> None:
    column = taken.get("event_type")
    quantity = taken.get("quantity")
    if column is None and quantity and any(one.startswith("-") for one in found.values(quantity)):
        pieces = f"CAST({_quoted(quantity)} AS DOUBLE)"
        kind = f"CASE WHEN {pieces} < 0 THEN 'return' ELSE 'purchase' END"
        draft.body.setdefault("derived", {})["kind"] = kind
        draft.doubts["derived"] = "negative quantities are taken for returns"
        taken["event_type"] = "kind"
        return
    if column is None:
        kind = "purchase" if "quantity" in taken or "value" in taken else "view"
        draft.body["constants"] = {"event_type": kind}
        draft.doubts["constants"] = "no type was found: all events are of this one"
        return
    theirs = found.values(column)
    known = {
        value: EVENT_TYPES[_simple(value)] for value in theirs if _simple(value) in EVENT_TYPES
    }
    unknown = [value for value in theirs if value not in known]
    changed = {value: ours for value, ours in known.items() if value != ours}
    if changed:
        draft.body["values"] = {"event_type": changed}
    if unknown:
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in unknown[:9])
        draft.body["filter"] = f"{_quoted(column)} NOT IN ({listed})"
        draft.doubts["filter"] = "types without a counterpart: map them under values, or leave out"


def _total(draft: Draft, found: Sample, taken: dict[str, Any]) -> None:
    """The money of a row from its price, where the file has no total."""
    price, quantity = _named(found, NAMES["items"]["price"], set()), taken.get("quantity")
    if "value" in taken or not price:
        return
    factors = [_number(found, column) for column in (price, quantity) if column]
    numbers = [factor for factor in factors if factor]
    if len(numbers) < len(factors):
        draft.doubts["value"] = f"missing: derive the money of a row from {price} in SQL"
        return
    total, decimal = " * ".join(numbers), draft.body.get("decimal", ".")
    if decimal != ".":  # the mapping reads every number with this mark
        total = f"replace(CAST({total} AS VARCHAR), '.', '{decimal}')"
    draft.body.setdefault("derived", {})["total"] = total
    taken["value"] = "total"


def _number(found: Sample, column: str) -> str | None:
    """SQL that reads a column of numbers; None where it has others."""
    marks = found.number_marks(column)
    if marks is None:
        return None
    text = _quoted(column)
    decimal, thousands = marks
    if thousands:
        text = f"replace({text}, '{thousands}', '')"
    if decimal != ".":
        text = f"replace({text}, '{decimal}', '.')"
    return f"CAST({text} AS DOUBLE)"


def _key(found: Sample, parts: Sequence[Any]) -> list[str]:
    """Columns that are unique together in the sample: of these, or else all of the file."""
    named = [part for part in parts if part in found.columns]
    for size in range(1, len(named) + 1):
        if found.is_unique(named[:size]):
            return named[:size]
    return list(found.columns)


def _quoted(name: str) -> str:
    return name if name.isidentifier() else '"' + name.replace('"', '""') + '"'


def _lines(draft: Draft, is_listed: bool) -> list[str]:
    """The body as YAML, each key with its doubt."""
    dumped = yaml.safe_dump(
        draft.body, sort_keys=False, allow_unicode=True, default_flow_style=None, width=10_000
    ).splitlines()
    lines = []
    for number, line in enumerate(dumped):
        key = line.strip().split(":")[0]
        doubt = draft.doubts.get(key)
        first = "- " if is_listed and not number else "  "
        indent = f"    {first}" if is_listed else "    "
        lines.append(f"{indent}{line}  # {doubt}" if doubt else f"{indent}{line}")
    lines += [
        f"    # {key}: {doubt}"
        for key, doubt in draft.doubts.items()
        if key not in {line.strip().split(":")[0] for line in dumped}
    ]
    return lines
