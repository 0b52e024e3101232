"""``RateLimit-Policy`` and ``RateLimit``: what a client may still send.

As in the IETF draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers).
"""

RATE_LIMIT = "rate_limit"
"""Key of the headers in the state of a request."""
WORK = "work"
"""Key of the units of work that a request was charged beyond its own."""
_NAME = "client"

Headers = list[tuple[bytes, bytes]]


def rate_limit_headers(per_second: float, burst: float, left: float) -> Headers:
    """``burst``: requests at once, which are there again after burst / per_second seconds.
    ``left``: of them, now."""
    window = max(1, round(burst / per_second))
    remaining = max(0, int(left))
    reset = max(0, round((burst - left) / per_second))
    policy = f'"{_NAME}";q={int(burst)};w={window}'
    return [
        (b"ratelimit-policy", policy.encode()),
        (b"ratelimit", f'"{_NAME}";r={remaining};t={reset}'.encode()),
    ]
