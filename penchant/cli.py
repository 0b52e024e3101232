"""The ``penchant`` command: one subcommand a stage, and the one file that knows every room.

Every subcommand prints what it did in a line. With ``--json`` the last line of stdout is one JSON
object, which is what the DAGs read. Rooms are imported inside their subcommand: a subcommand pays only for
what it uses.
Exit status: 0 done, 1 failed, 64 wrong usage, 65 the data is refused (running again won't help),
66 there is nothing to do.
"""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from penchant.errors import PenchantError, UsageError
from penchant.logs import configure_logs
from penchant.settings import Settings
from penchant.telemetry import disable_telemetry

app = typer.Typer(
    help="Learn what each user is interested in, and serve it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object as the last line")]
SnapshotId = Annotated[
    str, typer.Option("--snapshot", help="snapshot id, as `penchant build` printed it")
]


def answer(line: str, result: dict[str, Any], as_json: bool) -> None:
    """Print the human line, then the JSON object if it was asked for."""
    typer.echo(line)
    if as_json:
        typer.echo(json.dumps(result, sort_keys=True, default=str))


@app.command()
def ingest(
    source: Annotated[str | None, typer.Option(help="default: PENCHANT_SOURCE")] = None,
    path: Annotated[Path | None, typer.Option(help="folder of the source's files")] = None,
    mapping: Annotated[Path | None, typer.Option(help="YAML column mapping of `files`")] = None,
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="land only this day's file")
    ] = None,
    users: Annotated[int, typer.Option(help="simulator: users")] = 200,
    items: Annotated[int, typer.Option(help="simulator: items")] = 300,
    days: Annotated[int, typer.Option(help="simulator: days")] = 180,
    as_json: AsJson = False,
) -> None:
    """Land a source's files as batches; quarantine whole what breaks its contract."""
    from penchant.ingestion.ingest import ingest as run

    day = date.date() if date else None
    report = run(Settings(), source, path, mapping, day, users=users, items=items, days=days)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def build(as_json: AsJson = False) -> None:
    """Build the marts with dbt from all that has landed, as a new snapshot."""
    from penchant.build import build as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def check(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Validate a snapshot with Great Expectations; only a passed one becomes readable."""
    from penchant.quality.check import check as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def materialize(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Put a snapshot's features online through Feast, beside the ones being read."""
    from penchant.features.materialize import materialize as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def training_sets(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Assemble point-in-time training sets with Feast's historical retrieval."""
    from penchant.features.materialize import training_sets as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def train(
    family: Annotated[str, typer.Option(help="a name from training/names.py")],
    snapshot: SnapshotId,
    show: Annotated[
        bool, typer.Option("--track/--no-track", help="then bring MLflow up to date")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Fit and evaluate one model family on a snapshot."""
    from training.commands.track import track
    from training.commands.train import train as run
    from training.fitting.distributed import started_together

    settings, first = Settings(), started_together().first
    report = run(settings, snapshot, family)
    if show and first:
        track(settings, snapshot)
    if first:
        answer(report.summary(), report.as_dict(), as_json)


@app.command()
def track(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Bring MLflow up to date with a snapshot's runs, also those that failed."""
    from training.commands.track import track as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def choose(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Choose the retriever and the ranker among a snapshot's trained families."""
    from training.commands.select_models import choose as run

    choice = run(Settings(), snapshot)
    answer(choice.summary(), choice.as_dict(), as_json)


@app.command()
def evaluate_policy(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Put a snapshot's learned policy through the gate and, when it passes, into an experiment."""
    from penchant.bandits.experiments.gate import promote
    from training.commands.train import run_id_of
    from training.configs import chosen

    settings = Settings()
    run_id = run_id_of(snapshot, "bandit", chosen(settings, "bandit"), settings.seed)
    report = promote(settings, snapshot, run_id)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def evaluate_experiment(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Judge the experiment that runs by a snapshot's log; end it when it is decided."""
    from penchant.bandits.experiments.stage import evaluate_experiment as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def plan_ads(
    snapshot: SnapshotId,
    budgets: Annotated[Path, typer.Option(help="YAML file of the day's campaigns and budgets")],
    as_json: AsJson = False,
) -> None:
    """Plan who sees which campaign, within budgets, caps and each user's attention."""
    from penchant.ads.stage import plan_ads as run

    report = run(Settings(), snapshot, budgets)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def compress(
    snapshot: SnapshotId,
    family: Annotated[str | None, typer.Option(help="default: the chosen retriever")] = None,
    run: Annotated[str | None, typer.Option(help="a run's id, in place of a family")] = None,
    student: Annotated[
        bool, typer.Option("--student", help="also distil a Transformer into a smaller one")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make smaller forms of a trained run, and measure what each loses."""
    from training.compression.compress import compress as make_smaller

    report = make_smaller(Settings(), snapshot, family, run, student)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def publish(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Publish the chosen models' vectors and lists as one release, verified, then live."""
    from penchant.publishing.publish import publish as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def rollback(as_json: AsJson = False) -> None:
    """Make the previous release live again."""
    from penchant.publishing.publish import rollback as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def recommend(
    user: Annotated[str, typer.Option(help="user id")],
    k: Annotated[int, typer.Option(help="how many")] = 10,
    as_json: AsJson = False,
) -> None:
    """What a user would like, from the live release."""
    from penchant.serving.service import RecommendationService

    answered = RecommendationService(Settings()).recommend(user, k)
    answer(answered.render(), answered.as_dict(), as_json)


@app.command()
def interests(
    user: Annotated[str, typer.Option(help="user id")],
    k: Annotated[int, typer.Option(help="how many", min=1)] = 10,
    category: Annotated[str | None, typer.Option(help="one only, by its path")] = None,
    family: Annotated[str | None, typer.Option(help="default: the best on validation")] = None,
    as_json: AsJson = False,
) -> None:
    """What a user will act on in the coming fortnight, by a run on the live snapshot."""
    from penchant.artifacts import Snapshot
    from training.commands.predict_interests import predict

    settings = Settings()
    answered = predict(settings, Snapshot.live(settings).id, user, k, family, category)
    answer(answered.summary(), answered.as_dict(), as_json)


@app.command()
def similar(
    item: Annotated[str, typer.Option(help="item id")],
    k: Annotated[int, typer.Option(help="how many")] = 10,
    as_json: AsJson = False,
) -> None:
    """Items whose vectors are nearest to an item's, from the live release."""
    from penchant.serving.service import RecommendationService

    answered = RecommendationService(Settings()).similar(item, k)
    answer(answered.render(), answered.as_dict(), as_json)


@app.command()
def portrait(
    user: Annotated[str, typer.Option(help="user id")],
    as_json: AsJson = False,
) -> None:
    """What a user is interested in, how surely, and the segment they are in."""
    from penchant.serving.service import RecommendationService

    found = RecommendationService(Settings()).portrait(user)
    answer(found.render(), found.as_dict(), as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """The live release, the live snapshot with its checks, and every family's metrics."""
    from penchant.serving.status import render
    from penchant.serving.status import status as run

    state = run(Settings())
    if as_json:
        typer.echo(json.dumps(state, sort_keys=True, default=str))
    else:
        from rich.console import Console

        Console().print(render(state))


@app.command()
def simulate(
    days: Annotated[int, typer.Option(help="days of the closed loop")] = 60,
    users: Annotated[int, typer.Option(help="users of the world")] = 500,
    as_json: AsJson = False,
) -> None:
    """Let each policy serve a small world with known truth, and see its regret fall."""
    from training.commands.simulate import simulate as run

    simulation = run(Settings(), days, users)
    answer(simulation.summary(), simulation.as_dict(), as_json)


@app.command()
def report(as_json: AsJson = False) -> None:
    """Write the HTML report of the live release."""
    from penchant.report.report import report as run

    written = run(Settings())
    answer(written.summary(), written.as_dict(), as_json)


@app.command()
def serve() -> None:
    """Serve recommendations, features and the door for events over HTTP."""
    import uvicorn

    from penchant.api.app import create_app
    from penchant.api.auth.access import require_guarded
    from penchant.api.process import settle

    settings = Settings()
    require_guarded(settings)
    served = create_app(settings)
    settle()
    uvicorn.run(
        served,
        host=settings.api_host,
        port=settings.api_port,
        log_level="warning",
    )


token = typer.Typer(help="Bearer tokens of the HTTP API.", no_args_is_help=True)
app.add_typer(token, name="token")


@token.command("make")
def make_token(
    name: Annotated[str, typer.Option(help="whose it is")],
    scope: Annotated[list[str], typer.Option(help="what it may do; give several, one by one")],
) -> None:
    """Make a token and show it, this once."""
    from penchant.api.auth.tokens import Tokens

    made, secret = Tokens(Settings()).make(name, scope)
    typer.echo(f"token {made.id} for {made.name} ({', '.join(made.scopes)}); shown only now:")
    typer.echo(secret)


@token.command("list")
def list_tokens() -> None:
    """The tokens that hold, without their secrets."""
    from penchant.api.auth.tokens import Tokens

    for each in Tokens(Settings()).all():
        state = f"until {each.expires_at}" if each.holds else "expired"
        typer.echo(
            f"{each.id}  {each.name}  {', '.join(each.scopes)}  made {each.made_at[:10]}"
            f"{f'  {state}' if each.expires_at else ''}"
        )


@token.command("rotate")
def rotate_token(
    token_id: Annotated[str, typer.Argument(help="as `penchant token list` shows")],
    hours: Annotated[float, typer.Option(help="that the old one holds on")] = 24.0,
) -> None:
    """Make a token of the same name and scopes and show it; the old one holds for some hours."""
    from penchant.api.auth.tokens import Tokens

    made, secret = Tokens(Settings()).rotate(token_id, timedelta(hours=hours))
    typer.echo(
        f"token {made.id} for {made.name} takes the place of {token_id}, which holds for "
        f"{hours:g} hours; shown only now:"
    )
    typer.echo(secret)


@token.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(help="as `penchant token list` shows")],
) -> None:
    """Let a token hold no longer, from the next request on."""
    from penchant.api.auth.tokens import Tokens

    revoked = Tokens(Settings()).revoke(token_id)
    typer.echo(f"token {revoked.id} of {revoked.name} no longer holds")


@app.command()
def demo() -> None:
    """Run the main job with Airflow's scheduler and show it live."""
    from penchant.platform.demo import run

    raise typer.Exit(run(Settings()))


@app.command()
def up() -> None:
    """Start the platform and leave it running; print its addresses."""
    from penchant.build import docs
    from penchant.platform.up import up as run

    settings = Settings()
    if settings.live_snapshot.current():
        docs(settings)
    run(settings)


@app.command()
def down() -> None:
    """Stop what `penchant up` started."""
    from penchant.platform.up import down as run

    run(Settings())


def main() -> None:
    """Entry point: errors that have a remedy are printed without a traceback."""
    disable_telemetry()
    configure_logs()
    try:
        app()
    except PenchantError as error:
        end_with(error)
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        wrong = "; ".join(
            f"PENCHANT_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()
        )
        end_with(UsageError(f"wrong settings: {wrong}", "fix the environment or .env"))


def end_with(error: PenchantError) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(error.exit_code)
