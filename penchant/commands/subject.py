"""``penchant subject``: what people may ask for about their data."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from penchant.commands.answer import AsJson, answer
from penchant.commands.user import User, Users
from penchant.errors import DataError
from penchant.settings import Settings

subject = typer.Typer(
    help="Answer people's requests about their data: access, objection, erasure.",
    no_args_is_help=True,
)


@subject.command()
def export(
    user: User,
    to: Annotated[Path, typer.Option(help="folder to write; must not exist")],
    as_json: AsJson = False,
) -> None:
    """Write all that is held of a person as JSON and CSV."""
    from penchant.privacy.export import export as run

    report = run(Settings(), user, to)
    answer(report.summary(), report.as_dict(), as_json)


@subject.command()
def erase(user: Users = [], as_json: AsJson = False) -> None:  # noqa: B006  Typer copies it
    """Erase people: remove what is stored of them and never store them again."""
    from penchant.privacy.erase import erase as run

    report = run(Settings(), user)
    answer(report.summary(), report.as_dict(), as_json)


@subject.command()
def finish(as_json: AsJson = False) -> None:
    """Complete erasures after a new release: remove earlier data, verify, write the receipts."""
    from penchant.privacy.erase import finish as run
    from penchant.privacy.erase import require_waiting
    from training.commands.unlearning import record_unlearning

    settings = Settings()
    require_waiting(settings)
    record_unlearning(settings)  # while the earlier runs are there
    report = run(settings)
    answer(report.summary(), report.as_dict(), as_json)


@subject.command()
def unlearn(as_json: AsJson = False) -> None:
    """Publish a release without the people at once, of the families that unlearn exactly.

    The other families follow with the main job.
    """
    from penchant.commands.unlearn import unlearn as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@subject.command("object")
def object_to_profiling(user: User) -> None:
    """Leave a person out of training and profiles from the next build; serve popular items now."""
    from penchant.subjects import Subjects

    request = Subjects(Settings()).request("object", user, datetime.now(UTC).replace(tzinfo=None))
    typer.echo(f"objection {request.id} is registered")


@subject.command()
def withdraw(user: User) -> None:
    """End a person's objection."""
    from penchant.subjects import Subjects

    Subjects(Settings()).withdraw(user)
    typer.echo("the objection is withdrawn; the next build includes the person")


@subject.command("list")
def list_requests() -> None:
    """List the requests with their state. A completed erasure no longer has the user id."""
    from penchant.subjects import Subjects
    from penchant.vault import Vault

    requests = Subjects(Settings()).requests()
    known = Vault(Settings()).reveal(each.user_id for each in requests if each.user_id)
    for each in requests:
        state = each.state if each.forgets else "in force"
        user_id = known.get(each.user_id or "", each.user_id)
        who = f"user {user_id}" if user_id else f"pseudonym {each.pseudonym}"
        typer.echo(f"{each.id}  {each.kind}  {who}  {each.requested_at:%Y-%m-%d}  {state}")


@subject.command()
def lineage(
    column: Annotated[
        str, typer.Argument(help="column, table.column or source/table.column, of rows or models")
    ],
    snapshot: Annotated[
        str | None, typer.Option(help="snapshot id; the live one if left out")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where a column of personal data goes: dbt models, features, families, runs, releases."""
    from penchant.privacy.lineage import lineage_of

    report = lineage_of(Settings(), column, snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@subject.command()
def verify(receipt: Annotated[Path, typer.Argument(help="receipt file")]) -> None:
    """Check that this home signed a receipt and nobody changed it."""
    from penchant.artifacts.receipt import read_receipt
    from penchant.privacy.signing import is_authentic
    from penchant.subjects import Subjects

    if not is_authentic(read_receipt(receipt), Subjects(Settings()).key()):
        raise DataError(f"{receipt}: the signature doesn't match", "use the receipt of this home")
    typer.echo(f"{receipt}: authentic")
