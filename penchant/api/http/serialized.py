"""Answers that are serialized by the thread that computed them."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from fastapi import Response
from pydantic import BaseModel

JSON = "application/json"
_P = ParamSpec("_P")


def serialized(handler: Callable[_P, BaseModel]) -> Callable[_P, Response]:
    """A synchronous handler whose answer is written as JSON before it returns.

    FastAPI validates an answer again and starts a second thread to serialize it: half of the work
    of a small request. The model that the handler returns is still the one of the OpenAPI
    description. For handlers that answer 200 without headers of their own.
    """

    @wraps(handler)
    def answer(*args: _P.args, **kwargs: _P.kwargs) -> Response:
        return Response(handler(*args, **kwargs).model_dump_json(), media_type=JSON)

    return answer
