"""What a guarded request asks for, noted on it by its guard and its route, for the audit."""

from dataclasses import dataclass

from fastapi import Request

ONE = ("user_id", "item_id")  # a query that has one of them is about one user or item


@dataclass
class Asked:
    """``entities``: how many users, items or events it is about; never which."""

    token_id: str | None
    scope: str | None
    allowed: bool
    entities: int

    @staticmethod
    def by(request: Request, token_id: str | None, scope: str | None, allowed: bool) -> None:
        entities = int(any(name in request.query_params for name in ONE))
        request.state.asked = Asked(token_id, scope, allowed, entities)


def about(request: Request, entities: int) -> None:
    """A route whose entities are in the body says how many they are."""
    request.state.asked.entities = entities


def denied(request: Request) -> None:
    """A route refuses what its guard let pass: the answer would say too much of a person."""
    request.state.asked.allowed = False
