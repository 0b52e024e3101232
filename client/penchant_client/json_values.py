"""Dataclasses from JSON values and to them.

Unknown fields of a response are ignored, so that an older client reads a newer server's answers.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from penchant_client.errors import InvalidResponse

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A JSON value; fields that are None are left out, times have their offset."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: to_json(each) for name, each in named.items() if each is not None}
    if isinstance(value, Mapping):
        return {name: to_json(each) for name, each in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(each) for each in value]
    return value


def from_json(model: type[T], value: Any) -> T:
    """An instance of a dataclass. Raises InvalidResponse if a required field is missing."""
    if not isinstance(value, Mapping):
        raise InvalidResponse(
            f"{model.__name__}: must be an object, got {value!r:.100}", "check the URL"
        )
    hints: dict[str, Any] = _hints(cast(Any, model))
    given = {}
    for field in dataclasses.fields(model):  # type: ignore[arg-type]
        if field.name in value:
            given[field.name] = _converted(hints[field.name], value[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InvalidResponse(
                f"{model.__name__}: the response has no {field.name}",
                "install the client of the server's version",
            )
    return model(**given)


@cache
def _hints(model: type[Any]) -> dict[str, Any]:
    return get_type_hints(model, vars(sys.modules[model.__module__]))


def _converted(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if value is None:
        return None
    if origin is Union:
        (inner, *others) = (each for each in get_args(hint) if each is not type(None))
        return value if others else _converted(inner, value)
    if origin is list:
        return [_converted(get_args(hint)[0], each) for each in value]
    if origin is dict:
        return {name: _converted(get_args(hint)[1], each) for name, each in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_json(hint, value)  # type: ignore[arg-type]
    if hint is datetime:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value
