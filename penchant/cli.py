"""The ``penchant`` command: one subcommand per stage.

Every subcommand prints a summary line. With ``--json``, the last line of stdout is one JSON object,
which the DAGs read. Packages are imported inside their subcommand, to keep start-up short.
Exit status: 0 success, 1 failure, 64 invalid arguments or settings, 65 invalid data (a retry won't
help), 66 nothing to do, 69 over budget.
"""

import errno
import json
import locale
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from penchant.command_line import AsJson, SnapshotId, answer
from penchant.errors import DiskFull, NothingToDo, PenchantError, UsageError, is_disk_full
from penchant.logs import configure_logs
from penchant.operations_commands import operations
from penchant.settings import Settings, unparsed_setting, wrong_setting
from penchant.subject_commands import subject
from penchant.telemetry import disable_telemetry

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}

app = typer.Typer(
    help="Learn what each user is interested in, and serve it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def ingest(
    source: Annotated[str | None, typer.Option(help="default: PENCHANT_SOURCE")] = None,
    path: Annotated[Path | None, typer.Option(help="folder of the source's files")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="YAML column mapping of the source `files`")
    ] = None,
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="land the file of this day only")
    ] = None,
    users: Annotated[int, typer.Option(help="simulator: number of users")] = 200,
    items: Annotated[int, typer.Option(help="simulator: number of items")] = 300,
    days: Annotated[int, typer.Option(help="simulator: number of days")] = 180,
    as_json: AsJson = False,
) -> None:
    """Land a source's files as batches; quarantine files that violate their contract."""
    from penchant.ingestion.ingest import ingest as run

    day = date.date() if date else None
    report = run(Settings(), source, path, mapping, day, users=users, items=items, days=days)
    for file in report.quarantined:
        tell_of_quarantine(file)
    if not report.landed:
        raise NothingToDo(f"nothing new: {report.summary()}", "nothing, or correct what is named")
    answer(report.summary(), report.as_dict(), as_json)


def tell_of_quarantine(file: dict[str, Any]) -> None:
    """Send an alert for a quarantined file, once."""
    from penchant.alerts.alert import Alert, send

    reason = file["reasons"][0]
    text = f"{file['table']}: {file['original_name']}: {reason['detail']}; see {file['path']}."
    send(Settings(), Alert("quarantine", text, f"{file['sha256']} {reason['code']}"))


@app.command()
def quarantine(
    batch: Annotated[str, typer.Argument(help="SHA-256 of a landed batch, or its beginning")],
    why: Annotated[str, typer.Option(help="kept as the reason")] = "set aside by hand",
    as_json: AsJson = False,
) -> None:
    """Move a landed batch to quarantine, so that builds leave it out."""
    from penchant.ingestion.set_aside import set_aside

    report = set_aside(Settings(), batch, why)
    answer(report.summary(), report.as_dict(), as_json)


mapping_commands = typer.Typer(help="Work on a mapping of own files.", no_args_is_help=True)
app.add_typer(mapping_commands, name="mapping")


@mapping_commands.command("check")
def check_mapping(
    mapping: Annotated[Path | None, typer.Option(help="default: PENCHANT_MAPPING")] = None,
    path: Annotated[Path | None, typer.Option(help="folder of the files")] = None,
    as_json: AsJson = False,
) -> None:
    """Show ten rows of each file as they would land, and what would be rejected."""
    from penchant.ingestion.preview import preview

    report = preview(Settings(), mapping, path)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def build(as_json: AsJson = False) -> None:
    """Build the marts with dbt from all landed batches, as a new snapshot."""
    from penchant.building.build import build as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def dbt(context: typer.Context) -> None:
    """Run a dbt command on a database beside production's, such as `dbt build --select …`."""
    from penchant.building.by_hand import run_by_hand

    raise SystemExit(run_by_hand(Settings(), context.args))


@app.command()
def check(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Validate a snapshot with Great Expectations; make it live if it passes."""
    from penchant.quality.check import check as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def materialize(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Materialize a snapshot's features to a new Feast online store and make it live."""
    from penchant.features.materialize import materialize as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def training_sets(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Build point-in-time training sets with Feast's historical retrieval."""
    from penchant.features.training_sets import training_sets as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def plan_training(
    snapshot: SnapshotId,
    first: Annotated[
        bool, typer.Option("--first/--later", help="families of the first release, or the others")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the families that have no run on a snapshot with the current code and config."""
    from training.commands.plan_training import FIRST, LATER
    from training.commands.plan_training import plan_training as run

    plan = run(Settings(), snapshot, FIRST if first else LATER)
    answer(plan.summary(), plan.as_dict(), as_json)


@app.command()
def train(
    family: Annotated[str, typer.Option(help="family name, see training/names.py")],
    snapshot: SnapshotId,
    show: Annotated[
        bool,
        typer.Option("--track/--no-track", help="log the snapshot's runs to MLflow afterwards"),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Train and evaluate one model family on a snapshot."""
    from training.commands.plan_training import cached_run_id, finished_run, nothing_to_learn
    from training.names import check_name

    check_name(family)
    settings = Settings()
    if not show and (found := finished_run(settings, snapshot, family)):
        answer(f"unchanged {found.run_id}", {"run_id": found.run_id, "family": family}, as_json)
        return
    if not show and (failure := nothing_to_learn(settings, snapshot, family)):
        raise NothingToDo(failure.cause, "land data that has it; this snapshot was tried before")

    from training.commands.track import track
    from training.commands.train import train as run
    from training.fitting.distributed import started_together

    first = started_together().first
    if first:
        cached_run_id(settings, snapshot, family)  # for processes that don't import torch
    report = run(settings, snapshot, family)
    if show and first:
        track(settings, snapshot)
    if first:
        answer(report.summary(), report.as_dict(), as_json)


@app.command()
def track(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Log a snapshot's runs to MLflow, including failed runs."""
    from training.commands.track import track as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def select_models(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Select the retriever and the ranker among a snapshot's trained families."""
    from training.commands.select_models import select_models as run

    selection = run(Settings(), snapshot)
    answer(selection.summary(), selection.as_dict(), as_json)


@app.command()
def evaluate_policy(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Evaluate a snapshot's learned policy off-policy; start an experiment if it is better."""
    from penchant.bandits.experiments.gate import promote
    from training.commands.run_identity import run_id_of
    from training.configs import config_for

    settings = Settings()
    run_id = run_id_of(snapshot, "bandit", config_for(settings, "bandit"), settings.seed)
    report = promote(settings, snapshot, run_id)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def evaluate_experiment(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Evaluate the running experiment on a snapshot's log; end it when it is decided."""
    from penchant.bandits.experiments.stage import evaluate_experiment as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def plan_ads(
    snapshot: SnapshotId,
    budgets: Annotated[
        Path, typer.Option(help="YAML file of the campaigns and budgets of the day")
    ],
    as_json: AsJson = False,
) -> None:
    """Plan which users see which campaigns, within budgets, frequency caps and attention."""
    from penchant.ads.stage import plan_ads as run

    report = run(Settings(), snapshot, budgets)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def compress(
    snapshot: SnapshotId,
    family: Annotated[str | None, typer.Option(help="default: the selected retriever")] = None,
    run: Annotated[str | None, typer.Option(help="run id, instead of a family")] = None,
    student: Annotated[
        bool, typer.Option("--student", help="also distil a Transformer into a smaller model")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compress a trained run's vectors and measure the loss of each form."""
    from training.compression.compress import compress as compress_run

    report = compress_run(Settings(), snapshot, family, run, student)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def publish(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Publish the selected models' vectors and lists as a release; make it live once verified."""
    from penchant.publishing.publish import publish as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def publish_first(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Publish a release from the families that train fastest, if no release is live."""
    settings = Settings()
    if release_id := settings.live_release.current():
        raise NothingToDo(f"release {release_id} is live", "nothing: a better one follows")

    from penchant.publishing.publish import publish as run
    from training.commands.plan_training import FIRST
    from training.commands.select_models import select_models as select

    select(settings, snapshot, FIRST)
    report = run(settings, snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def rollback(as_json: AsJson = False) -> None:
    """Make the previous release live again."""
    from penchant.releases.rollback import rollback as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@app.command()
def recommend(
    user: Annotated[str, typer.Option(help="user id")],
    k: Annotated[int, typer.Option(help="number of items")] = 10,
    as_json: AsJson = False,
) -> None:
    """Recommend items to a user from the live release."""
    from penchant.serving.service import RecommendationService

    answered = RecommendationService(Settings()).recommend(user, k)
    answer(answered.render(), answered.as_dict(), as_json)


@app.command()
def interests(
    user: Annotated[str, typer.Option(help="user id")],
    k: Annotated[int, typer.Option(help="number of items", min=1)] = 10,
    category: Annotated[str | None, typer.Option(help="restrict to this category path")] = None,
    family: Annotated[
        str | None, typer.Option(help="default: the best family on validation")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the items a user will act on in the next 14 days, with a run on the live snapshot."""
    from penchant.artifacts import Snapshot
    from training.commands.predict_interests import predict

    settings = Settings()
    answered = predict(settings, Snapshot.live(settings).id, user, k, family, category)
    answer(answered.summary(), answered.as_dict(), as_json)


@app.command()
def similar(
    item: Annotated[str, typer.Option(help="item id")],
    k: Annotated[int, typer.Option(help="number of items")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the items whose vectors are nearest to an item's vector in the live release."""
    from penchant.serving.service import RecommendationService

    answered = RecommendationService(Settings()).similar(item, k)
    answer(answered.render(), answered.as_dict(), as_json)


@app.command()
def portrait(
    user: Annotated[str, typer.Option(help="user id")],
    as_json: AsJson = False,
) -> None:
    """Show a user's interests with their confidence, and the user's segment."""
    from penchant.serving.service import RecommendationService

    found = RecommendationService(Settings()).portrait(user)
    answer(found.render(), found.as_dict(), as_json)


@app.command()
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


@app.command()
def simulate(
    days: Annotated[int, typer.Option(help="number of days of the closed loop")] = 60,
    users: Annotated[int, typer.Option(help="number of users of the world")] = 500,
    as_json: AsJson = False,
) -> None:
    """Run each policy in a small world with known ground truth and measure its regret."""
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
def serve(
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="server processes; each has its own rate limits")
    ] = 1,
) -> None:
    """Serve recommendations, features and the event endpoint over HTTP."""
    from penchant.api.app import create_app, worker_app
    from penchant.api.auth.access import require_token_for_network
    from penchant.api.auth.first_token import ensure_first_token
    from penchant.api.process import configure_process
    from penchant.api.server.run import run, run_workers
    from penchant.platform.services import console_link

    settings = Settings()
    require_token_for_network(settings)
    if (secret := ensure_first_token(settings)) is not None:
        typer.echo(f"the first token of this home: {secret}\nconsole: {console_link(settings)}")
    if workers > 1:
        run_workers(f"{worker_app.__module__}:{worker_app.__name__}", settings, workers)
        return
    served = create_app(settings)
    configure_process()
    run(served, settings)


@app.command()
def openapi(
    typescript: Annotated[
        bool, typer.Option("--typescript", help="as TypeScript declarations")
    ] = False,
) -> None:
    """Print the HTTP API's OpenAPI description."""
    from penchant.api.app import openapi_description
    from penchant.api.clients.typescript import typescript as declarations

    described = openapi_description()
    typer.echo(declarations(described) if typescript else json.dumps(described, indent=2))


token = typer.Typer(help="Manage bearer tokens of the HTTP API.", no_args_is_help=True)
app.add_typer(token, name="token")


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


app.add_typer(subject, name="subject")


@app.command()
def demo() -> None:
    """Run the main job with Airflow's scheduler and show its progress."""
    from penchant.api.auth.first_token import ensure_first_token
    from penchant.platform.demo import run

    settings = Settings()
    ensure_first_token(settings)
    raise typer.Exit(run(settings))


app.add_typer(operations)


@app.command()
def up() -> None:
    """Start the platform in the background and print its addresses."""
    from penchant.api.auth.first_token import ensure_first_token
    from penchant.building.build import docs
    from penchant.platform.up import up as run

    settings = Settings()
    ensure_first_token(settings)
    if settings.live_snapshot.current():
        docs(settings)
    run(settings)


@app.command()
def down() -> None:
    """Stop the platform that `penchant up` started."""
    from penchant.platform.up import down as run

    run(Settings())


def main() -> None:
    """Entry point. Errors with a remedy are printed without a traceback.

    Files are made for the owner only: a home holds what users did.
    """
    os.umask(0o077)
    require_utf8()
    disable_telemetry()
    configure_logs()
    try:
        app()
    except PenchantError as error:
        end_with(error)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        where = error.filename or f"PENCHANT_HOME ({Settings().home}) or the temporary folder"
        end_with(
            PenchantError(
                f"cannot write to {where}: {error.strerror}",
                "free space or correct the permissions; the same command continues",
            )
        )
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        wrong = "; ".join(wrong_setting(each) for each in error.errors())
        end_with(UsageError(wrong, "fix it in the environment or .env"))
    except SettingsError as error:
        end_with(UsageError(unparsed_setting(error), "fix it in the environment or .env"))
    except Exception as error:  # DuckDB and SQLite have errors of their own
        if not is_disk_full(error):
            raise
        end_with(DiskFull(f"the disk of {Settings().home} is full", "free space and run it again"))


def require_utf8() -> None:
    """Restart the interpreter in UTF-8 mode if the locale has another encoding."""
    encoding = locale.getpreferredencoding(False).lower().replace("-", "")
    if encoding != "utf8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, sys.orig_argv)


def end_with(error: PenchantError) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(error.exit_code)
