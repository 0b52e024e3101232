"""Subcommands of releases: publishing, and what the live release answers."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.commands.answer import AsJson, SnapshotId, answer
from penchant.commands.user import User
from penchant.errors import NothingToDo, PenchantError
from penchant.settings import Settings

if TYPE_CHECKING:
    from penchant.publishing.publish import PublishReport

releases = typer.Typer()


@releases.command()
def publish(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Publish the selected models' vectors and lists as a release; make it live once verified."""
    report = _published(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@releases.command()
def publish_first(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Publish a release from the families that train fastest, if no release is live.

    Fails, to be run again, while the snapshot's features are being written.
    """
    settings = Settings()
    if release_id := settings.live_release.current():
        raise NothingToDo(f"release {release_id} is live", "nothing: a better one follows")
    if settings.live_features.current() != snapshot:
        raise PenchantError(
            f"the features of {snapshot} are not online yet",
            f"run it again after `penchant materialize --snapshot {snapshot}`",
        )

    from training.commands.plan_training import FIRST
    from training.commands.select_models import select_models as select

    select(settings, snapshot, FIRST)
    report = _published(settings, snapshot)
    answer(report.summary(), report.as_dict(), as_json)


def _published(settings: Settings, snapshot_id: str) -> "PublishReport":
    from penchant.lineage import stages
    from penchant.lineage.events import lineage
    from penchant.publishing.publish import publish as run

    with lineage(settings, "publish") as stage:
        report = run(settings, snapshot_id)
        stage.inputs, stage.outputs = stages.released(settings, report.release_id)
    return report


@releases.command()
def rollback(as_json: AsJson = False) -> None:
    """Make the previous release live again."""
    from penchant.releases.rollback import rollback as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@releases.command()
def recommend(
    user: User,
    k: Annotated[int, typer.Option(help="number of items")] = 10,
    as_json: AsJson = False,
) -> None:
    """Recommend items to a user from the live release."""
    from penchant.serving.service import RecommendationService

    answered = RecommendationService(Settings()).recommend(user, k)
    answer(answered.render(), answered.as_dict(), as_json)


@releases.command()
def similar(
    item: Annotated[str, typer.Option(help="item id")],
    k: Annotated[int, typer.Option(help="number of items")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the items whose vectors are nearest to an item's vector in the live release."""
    from penchant.serving.service import RecommendationService

    answered = RecommendationService(Settings()).similar(item, k)
    answer(answered.render(), answered.as_dict(), as_json)


@releases.command()
def portrait(
    user: User,
    as_json: AsJson = False,
) -> None:
    """Show a user's interests with their confidence, and the user's segment."""
    from penchant.serving.service import RecommendationService

    found = RecommendationService(Settings()).portrait(user)
    answer(found.render(), found.as_dict(), as_json)


@releases.command()
def status(as_json: AsJson = False) -> None:
    """Show the live release, the live snapshot with its checks, and the metrics of all families."""
    from penchant.serving.status import render
    from penchant.serving.status import status as run

    state = run(Settings())
    if as_json:
        typer.echo(json.dumps(state, sort_keys=True, default=str))
    else:
        from rich.console import Console

        Console().print(render(state))


@releases.command()
def report(as_json: AsJson = False) -> None:
    """Write the HTML report of the live release."""
    from penchant.report.report import report as run

    written = run(Settings())
    answer(written.summary(), written.as_dict(), as_json)
