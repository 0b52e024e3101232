"""``X-Request-ID``: the client's id of a request, or a new one, in the answer and the audit log."""

import re
from typing import Any
from uuid import uuid4

HEADER = b"x-request-id"
_VALID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


def request_id(scope: Any) -> str:
    """The id that a request was sent with, if it is a valid one; else a new one."""
    given: bytes = dict(scope["headers"]).get(HEADER, b"")
    return given.decode() if _VALID.fullmatch(given) else str(uuid4())
