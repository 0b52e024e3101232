"""What the audit log says about a request: recorded on it by its guard and its route."""

from dataclasses import dataclass

from fastapi import Request

ENTITY_PARAMETERS = ("user_id", "item_id")
"""A query with one of them is about one user or item."""


@dataclass
class AuditContext:
    """``entities``: number of users, items or events that the request is about; never their ids."""

    token_id: str | None
    scope: str | None
    allowed: bool
    entities: int


def record_access(request: Request, token_id: str | None, scope: str | None, allowed: bool) -> None:
    entities = int(any(name in request.query_params for name in ENTITY_PARAMETERS))
    request.state.audit = AuditContext(token_id, scope, allowed, entities)


def record_entities(request: Request, entities: int) -> None:
    """For a route whose entities are in the body or the response."""
    request.state.audit.entities = entities


def record_denial(request: Request) -> None:
    """For a route that denies what its guard allowed: the response would contain features above
    the token's class."""
    request.state.audit.allowed = False
