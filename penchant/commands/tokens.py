"""``penchant token``: bearer tokens of the HTTP API."""

from datetime import timedelta
from typing import Annotated

import typer

from penchant.settings import Settings

token = typer.Typer(help="Manage bearer tokens of the HTTP API.", no_args_is_help=True)


@token.command("make")
def make_token(
    name: Annotated[str, typer.Option(help="name of the client")],
    scope: Annotated[list[str], typer.Option(help="permission; repeat the option for several")],
) -> None:
    """Create a token and print its secret, once."""
    from penchant.api.auth.tokens import Tokens

    made, secret = Tokens(Settings()).make(name, scope)
    typer.echo(f"token {made.id} for {made.name} ({', '.join(made.scopes)}); printed only once:")
    typer.echo(secret)


@token.command("local")
def local_token() -> None:
    """Print the secret of the token that the first `penchant serve` or `make up` made."""
    from penchant.api.auth.first_token import local_secret

    typer.echo(local_secret(Settings()))


@token.command("list")
def list_tokens() -> None:
    """List the tokens, without their secrets."""
    from penchant.api.auth.tokens import Tokens

    for each in Tokens(Settings()).all():
        state = f"until {each.expires_at}" if each.valid else "expired"
        typer.echo(
            f"{each.id}  {each.name}  {', '.join(each.scopes)}  created {each.made_at[:10]}"
            f"{f'  {state}' if each.expires_at else ''}"
        )


@token.command("rotate")
def rotate_token(
    token_id: Annotated[str, typer.Argument(help="token id, as printed by `penchant token list`")],
    hours: Annotated[float, typer.Option(help="hours until the old token expires")] = 24.0,
) -> None:
    """Create a token with the same name and scopes; the old one expires after some hours."""
    from penchant.api.auth.tokens import Tokens

    made, secret = Tokens(Settings()).rotate(token_id, timedelta(hours=hours))
    typer.echo(
        f"token {made.id} for {made.name} replaces {token_id}, which expires in "
        f"{hours:g} hours; printed only once:"
    )
    typer.echo(secret)


@token.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(help="token id, as printed by `penchant token list`")],
) -> None:
    """Revoke a token, effective from the next request."""
    from penchant.api.auth.tokens import Tokens

    revoked = Tokens(Settings()).revoke(token_id)
    typer.echo(f"token {revoked.id} of {revoked.name} is revoked")
