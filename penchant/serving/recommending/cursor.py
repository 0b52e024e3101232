"""Cursors: the next page of a list leaves out what the pages before it showed.

A cursor holds the ids of these items, compressed. It stays valid when another release goes live and
when the user does something between two pages: no item is shown twice, and the rest is ranked anew.
"""

import base64
import json
import zlib
from collections.abc import Sequence

from penchant.errors import UsageError
from penchant.serving.recommending.options import MAX_EXCLUDED

MAX_BYTES = 1 << 20  # uncompressed


def encode(shown: Sequence[str]) -> str | None:
    """The cursor of the page after these items; None after 500 of them."""
    if len(shown) > MAX_EXCLUDED:
        return None
    packed = zlib.compress(json.dumps(list(shown), separators=(",", ":")).encode())
    return base64.urlsafe_b64encode(packed).decode()


def decode(cursor: str) -> tuple[str, ...]:
    """The items of the pages before. Raises UsageError for what is not a cursor."""
    try:
        packed = base64.b64decode(cursor, altchars=b"-_", validate=True)
        inflated = zlib.decompressobj()
        text = inflated.decompress(packed, MAX_BYTES)  # its checksum finds what was changed
        shown = json.loads(text) if inflated.eof else None
    except (ValueError, zlib.error):
        shown = None
    if not isinstance(shown, list) or not all(isinstance(each, str) for each in shown):
        raise UsageError(
            f"cursor: {cursor[:40]!r} is not the next_cursor of an answer",
            "pass it as the answer had it, or leave it out for the first page",
        )
    return tuple(shown)
