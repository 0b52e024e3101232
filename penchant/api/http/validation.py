"""What an invalid request is told: each field with its value, and what to send instead."""

from collections.abc import Mapping, Sequence
from typing import Any

MAX_REPORTED_ERRORS = 10
MAX_VALUE = 64  # characters
DOCUMENTED = "/docs describes each field"
PLAIN = (str, int, float, bool)
TIME = "send a time with its offset, such as 2026-01-31T12:00:00Z"
REMEDIES = {
    "missing": "add it",
    "extra_forbidden": "remove it",
    "literal_error": "send {expected}",
    "greater_than_equal": "send {ge} or more",
    "greater_than": "send more than {gt}",
    "less_than_equal": "send {le} or less",
    "less_than": "send less than {lt}",
    "string_too_short": "send {min_length} or more characters",
    "string_too_long": "send {max_length} or fewer characters",
    "too_short": "send {min_length} or more",
    "too_long": "send {max_length} or fewer; split the request",
    "int_parsing": "send a whole number",
    "int_type": "send a whole number",
    "int_from_float": "send a whole number",
    "float_parsing": "send a number",
    "float_type": "send a number",
    "bool_parsing": "send true or false",
    "string_type": "send a text",
    "datetime_from_date_parsing": TIME,
    "datetime_parsing": TIME,
    "timezone_aware": TIME,
}
"""By Pydantic's type of error; names in braces are of the error's context."""


def cause_and_remedy(errors: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The detail and the remedy of a problem document, of Pydantic's errors."""
    reported = errors[:MAX_REPORTED_ERRORS]
    causes = [_cause(error) for error in reported]
    if len(errors) > len(reported):
        causes.append(f"and {len(errors) - len(reported)} more")
    remedies = dict.fromkeys(_remedy(error) for error in reported)
    return "; ".join(causes), "; ".join([*remedies, DOCUMENTED])


def _field(error: Mapping[str, Any]) -> str:
    return ".".join(map(str, error["loc"][1:])) or "body"


def _cause(error: Mapping[str, Any]) -> str:
    value, got = error.get("input"), ""
    if isinstance(value, PLAIN) and error["type"] != "missing":
        text = repr(value)
        got = f", got {text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + '…'}"
    return f"{_field(error)}: {error['msg']}{got}"


def _remedy(error: Mapping[str, Any]) -> str:
    remedy = REMEDIES.get(error["type"], "fix it").format_map(error.get("ctx", {}))
    return f"{_field(error)}: {remedy}"
