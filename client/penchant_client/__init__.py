"""A typed client of Penchant's HTTP API: ``Client``, and ``AsyncClient`` with the same methods.

    with Client("http://127.0.0.1:6570", token="pk_…") as client:
        for item in client.recommendations("2470", k=5).items:
            print(item.title)

Methods raise ApiError for an error response and Unreachable if the server does not answer. Requests
without side effects are retried if no answer comes or the server is busy or not ready (429, 503);
events, and responses that are logged as shown, only if the server did not process them.
"""

from penchant_client.async_client import AsyncClient
from penchant_client.client import Client
from penchant_client.errors import ApiError, ClientError, InvalidResponse, Unreachable
from penchant_client.models import *  # noqa: F403
from penchant_client.models import __all__ as _models
from penchant_client.times import now

__version__ = "0.1.0"
__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientError",
    "InvalidResponse",
    "Unreachable",
    "now",
    *_models,
]
