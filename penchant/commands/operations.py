"""Subcommands for operating the platform: what to do next, alerts, pruning, Airflow."""

from typing import Annotated

import typer

from penchant.commands.answer import AsJson, SnapshotId, answer
from penchant.commands.priority import INSIGHTS, yield_to_serving
from penchant.errors import NothingToDo
from penchant.settings import Settings

operations = typer.Typer()


@operations.command()
def resolve(
    dag: Annotated[str, typer.Option(help="DAG id, such as train_families")],
    snapshot: Annotated[str | None, typer.Option(help="use this snapshot")] = None,
    again: Annotated[bool, typer.Option("--again", help="also if it is done")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the newest snapshot that a DAG should work on; nothing to do if it is done."""
    from penchant.reconciliation.stages import resolve as run

    resolved = run(Settings(), dag, snapshot)
    if resolved.done and not again:
        raise NothingToDo(f"{dag} is done for {resolved.snapshot_id}", "nothing")
    answer(resolved.summary(), resolved.as_dict(), as_json)


@operations.command()
def reconcile(
    dag: Annotated[str, typer.Option(help="DAG id, such as train_families")],
    as_json: AsJson = False,
) -> None:
    """Decide whether to wake a DAG that has something to do and no run."""
    from penchant.reconciliation.reconcile import reconcile as run

    wake_up = run(Settings(), dag)
    answer(wake_up.summary(), wake_up.as_dict(), as_json)


@operations.command()
def alert(
    kind: Annotated[str, typer.Option(help="such as task-failed or service-ended")],
    text: Annotated[str, typer.Option(help="what happened")],
    owner: Annotated[str, typer.Option(help="who fixes it")] = "platform",
    tier: Annotated[str, typer.Option(help="impact, tier-1 to tier-3")] = "tier-2",
    runbook: Annotated[str | None, typer.Option(help="where to read what to do")] = None,
    as_json: AsJson = False,
) -> None:
    """Send an alert to the sinks of the settings: Slack, webhook, e-mail, and a file."""
    from penchant.alerts.alert import Alert, kind_of, send

    sent = send(Settings(), Alert(kind_of(kind), text, None, owner, tier, runbook))
    answer(f"sent to {', '.join(sent)}", {"sinks": list(sent)}, as_json)


@operations.command()
def check_deadline(as_json: AsJson = False) -> None:
    """Send an alert if a release is late, or the legal deadline of an erasure is near."""
    from penchant.alerts.deadline import check_deadline as run

    late = run(Settings())
    lines = "\n".join(alert.line for alert in late)
    answer(lines, {"alerts": [alert.as_dict() for alert in late]}, as_json)


@operations.command()
def watch_drift(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Compare the last day with the days before, and alert on drift and old features."""
    from penchant.monitoring.watch import watch_drift as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@operations.command()
def trace(
    release: Annotated[str | None, typer.Argument(help="release id; default: the live one")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a release was made of: its runs, snapshot and landed batches."""
    from penchant.releases.trace import trace as run

    traced = run(Settings(), release)
    answer(traced.render(), traced.as_dict(), as_json)


@operations.command()
def prune(as_json: AsJson = False) -> None:
    """Remove old snapshots, their features and runs, unless something needs them."""
    from penchant.pruning.prune import prune as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@operations.command()
def pin(
    snapshot: SnapshotId,
    remove: Annotated[bool, typer.Option("--remove", help="remove the pin")] = False,
) -> None:
    """Keep a snapshot, its features and runs from being pruned."""
    from penchant.pruning.prune import pin as run

    run(Settings(), snapshot, remove=remove)
    typer.echo(f"{snapshot} is {'no longer ' if remove else ''}pinned")


@operations.command()
def clean_airflow(as_json: AsJson = False) -> None:
    """Remove old runs from the database of the platform's Airflow."""
    from penchant.platform.command import clean_airflow as run

    settings = Settings()
    run(settings)
    days = settings.airflow_days
    answer(f"removed runs older than {days} days", {"days": days}, as_json)


@operations.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def airflow(context: typer.Context) -> None:
    """Run a command of the platform's Airflow, such as `penchant airflow dags list`."""
    from penchant.platform.command import run_airflow

    run_airflow(Settings(), context.args)
