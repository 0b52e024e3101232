"""The first token of a home, which the first `serve`, `up` or `demo` makes.

So no server answers without a token, and a first `make up` still works without setup: its secret
is kept in the home, readable by its owner only, for the console's link and `penchant token local`.
"""

from penchant.api.auth.tokens import RESTRICTED, SCOPES, Tokens
from penchant.errors import UsageError
from penchant.settings import Settings
from penchant.storage import write_private

NAME = "this machine"
FIRST_SCOPES = tuple(scope for scope in SCOPES if scope not in RESTRICTED)


def ensure_first_token(settings: Settings) -> str | None:
    """Make the first token where the home never had one; its secret, or None."""
    made = Tokens(settings).make_first(NAME, FIRST_SCOPES)
    if made is None:
        return None
    _, secret = made
    write_private(settings.local_token, secret + "\n")
    return secret


def local_secret(settings: Settings) -> str:
    """The secret of the first token. Raises UsageError where it was not kept or is not valid."""
    try:
        secret = settings.local_token.read_text().strip()
    except FileNotFoundError:
        secret = ""
    if Tokens(settings).find(secret) is None:
        raise UsageError(
            f"{settings.home} has no valid token of its own",
            "make one: penchant token make --name NAME --scope recommendations:read",
        )
    return secret
