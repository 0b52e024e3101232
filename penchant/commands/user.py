"""Options that name a user: the id of the source on the command line, its pseudonym within.

``echoed`` puts the ids back into what a subcommand prints.
"""

from typing import Annotated, Any

import typer

from penchant.settings import Settings

_given: dict[str, str] = {}  # pseudonym -> id, as it was given to this process


def stored_id(user_id: str) -> str:
    """The id under which the home holds a user."""
    from penchant.pseudonyms import Pseudonyms

    if not user_id.strip():
        return user_id  # the subcommand rejects it
    found = Pseudonyms(Settings()).of(user_id)
    if found != user_id:
        _given[found] = user_id
    return found


def stored_ids(user_ids: list[str]) -> list[str]:
    return [stored_id(each) for each in user_ids]


def echoed(text: str) -> str:
    """A text with the ids that were given in place of their pseudonyms."""
    for pseudonym, user_id in _given.items():
        text = text.replace(pseudonym, user_id)
    return text


def with_given_ids(value: Any) -> Any:
    """A JSON value with the ids that were given in place of their pseudonyms."""
    if isinstance(value, str):
        return _given.get(value, value)
    if isinstance(value, dict):
        return {name: with_given_ids(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [with_given_ids(each) for each in value]
    return value


User = Annotated[
    str, typer.Option(callback=stored_id, help="user id, as the source has it, or a pseudonym")
]
Users = Annotated[
    list[str],
    typer.Option(
        "--user",
        callback=stored_ids,
        help="user id, as the source has it, or a pseudonym; repeat the option for several people",
    ),
]
