"""Models whose rows depend on when, or how often, they are built.

A snapshot is a function of what landed: two builds of the same landing are equal, bit for bit.
"""

import json
import re
from pathlib import Path

from penchant.errors import DataError

WITHOUT_BRACKETS = ("current_date", "current_time", "current_timestamp", "localtime")
CALLED = (
    *("now", "today", "get_current_time", "get_current_timestamp", "transaction_timestamp"),
    *("random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval"),
)
VOLATILE = re.compile(
    rf"\b(?:{'|'.join(WITHOUT_BRACKETS)})\b|\b(?:{'|'.join(CALLED)})\s*\(|\b(?:using|table)\s*sample\b",
    re.IGNORECASE,
)
TEXTS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)


def check_repeatable(manifest_json: Path) -> None:
    """Raise DataError that names the models which use the clock or chance, and where."""
    nodes = json.loads(manifest_json.read_text())["nodes"].values()
    models = [node for node in nodes if node["resource_type"] == "model"]
    found = {
        f"{model['original_file_path']} uses {used}"
        for model in models
        for used in volatile_calls(model.get("compiled_code") or "")
    }
    if found:
        raise DataError(
            f"two builds of the same landing would differ: {'; '.join(sorted(found))}",
            "use {{ as_of() }}, the midnight after the last event, in place of the clock, and a "
            "hash of the key in place of a random number",
        )


def volatile_calls(sql: str) -> set[str]:
    """What a query uses beside its tables; texts, quoted names and comments don't count."""
    code = TEXTS.sub("''", sql)
    return {match.group().rstrip("( ").lower() for match in VOLATILE.finditer(code)}
