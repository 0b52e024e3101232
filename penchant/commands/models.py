"""Subcommands of models: training, selection, policies, ads, compression."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from penchant.commands.answer import AsJson, SnapshotId, answer
from penchant.commands.priority import TRAINING, yield_to_serving
from penchant.commands.user import User
from penchant.errors import BudgetExceeded, NothingToDo
from penchant.light_imports import import_arrays
from penchant.settings import Settings

models = typer.Typer()


@models.command()
def plan_training(
    snapshot: SnapshotId,
    group: Annotated[
        Literal["first", "ranking", "others"],
        typer.Option(help="families of the first release, the others that rank, or the rest"),
    ],
    as_json: AsJson = False,
) -> None:
    """List the families that have no run on a snapshot with the current code and config."""
    from training.commands.plan_training import GROUPS
    from training.commands.plan_training import plan_training as run

    plan = run(Settings(), snapshot, GROUPS[group])
    answer(plan.summary(), plan.as_dict(), as_json)


@models.command()
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
    from training.commands.plan_training import (
        FIRST,
        cached_run_id,
        finished_run,
        nothing_to_learn,
    )
    from training.names import check_trainable

    settings = Settings()
    check_trainable(family, settings.dp_epsilon)
    if not show and (found := finished_run(settings, snapshot, family)):
        answer(f"unchanged {found.run_id}", {"run_id": found.run_id, "family": family}, as_json)
        return
    if not show and (failure := nothing_to_learn(settings, snapshot, family)):
        raise NothingToDo(failure.cause, "land data that has it; this snapshot was tried before")

    import_arrays()
    from penchant.artifacts import Snapshot
    from penchant.lineage import stages
    from penchant.lineage.events import lineage
    from training.commands.track import track
    from training.commands.train import train as run
    from training.fitting.distributed import started_together

    if family not in FIRST:
        yield_to_serving(TRAINING)
    first = started_together().first
    if first:
        cached_run_id(settings, snapshot, family)  # for processes that don't import torch
    with lineage(settings, f"train.{family}", of_this_process=first) as stage:
        stage.inputs = stages.marts(Snapshot.open(settings, snapshot), *stages.LEARNED_FROM)
        try:
            report = run(settings, snapshot, family)
        except BudgetExceeded as error:
            tell_of_budget(settings, snapshot, family, error)
            raise
        stage.outputs = [stages.trained(family, report.run_id)]
    if show and first:
        track(settings, snapshot)
    if first:
        answer(report.summary(), report.as_dict(), as_json)


def tell_of_budget(
    settings: Settings, snapshot_id: str, family: str, error: BudgetExceeded
) -> None:
    """Send an alert for a family that a snapshot goes without, once."""
    from penchant.alerts.alert import Alert, send

    text = f"{family} on {snapshot_id}: {error.cause}."
    key = f"{family} {snapshot_id}"
    send(settings, Alert("over-budget", text, key, tier="tier-3", runbook="train_families"))


@models.command()
def track(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Log a snapshot's runs to MLflow, including failed runs."""
    from training.commands.track import track as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@models.command()
def private_statistics(
    snapshot: SnapshotId,
    to: Annotated[Path, typer.Option(help="JSON file to write")],
    as_json: AsJson = False,
) -> None:
    """Write shares of items and categories under differential privacy, within the budget."""
    from training.commands.private_statistics import private_statistics as run

    report = run(Settings(), snapshot, to)
    answer(report.summary(), report.as_dict(), as_json)


@models.command()
def select_models(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Select the retriever and the ranker among a snapshot's trained families."""
    import_arrays()
    from training.commands.select_models import select_models as run

    selection = run(Settings(), snapshot)
    answer(selection.summary(), selection.as_dict(), as_json)


@models.command()
def evaluate_policy(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Evaluate a snapshot's learned policy off-policy; start an experiment if it is better."""
    from penchant.bandits.experiments.gate import promote
    from training.commands.plan_training import cached_run_id

    settings = Settings()
    run_id = cached_run_id(settings, snapshot, "bandit")
    report = promote(settings, snapshot, run_id)
    answer(report.summary(), report.as_dict(), as_json)


@models.command()
def evaluate_experiment(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Evaluate the running experiment on a snapshot's log; end it when it is decided."""
    from penchant.alerts.alert import Alert, send
    from penchant.bandits.experiments.stage import evaluate_experiment as run

    settings = Settings()
    report = run(settings, snapshot)
    if report.decision in ("rollback", "mismatch"):
        text = f"{report.experiment_id}: {report.decision}: {report.reason}"
        send(settings, Alert("policy-refused", text, key=report.experiment_id, tier="tier-3"))
    answer(report.summary(), report.as_dict(), as_json)


@models.command()
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


@models.command()
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


@models.command()
def interests(
    user: User,
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


@models.command()
def simulate(
    days: Annotated[int, typer.Option(help="number of days of the closed loop")] = 60,
    users: Annotated[int, typer.Option(help="number of users of the world")] = 500,
    as_json: AsJson = False,
) -> None:
    """Run each policy in a small world with known ground truth and measure its regret."""
    from training.commands.simulate import simulate as run

    simulation = run(Settings(), days, users)
    answer(simulation.summary(), simulation.as_dict(), as_json)


@models.command()
def federate(
    snapshot: SnapshotId,
    family: Annotated[str, typer.Option(help="matrix_factorization or gru")],
    assignment: Annotated[
        Path, typer.Option(help="CSV file with the columns user_id and node", exists=True)
    ],
    rounds: Annotated[int, typer.Option(help="rounds of training")] = 5,
    rule: Annotated[str, typer.Option(help="fedavg, fedadam or trimmed")] = "fedavg",
    secure: Annotated[
        bool, typer.Option(help="show the server sums of updates alone (SecAgg+)")
    ] = False,
    encrypted: Annotated[
        bool, typer.Option(help="show the server encrypted updates alone (CKKS)")
    ] = False,
    round_seconds: Annotated[
        float, typer.Option(help="how long a round waits for its slowest node")
    ] = 600.0,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file of the server's certificate, for TLS", exists=True)
    ] = None,
    certificate_key: Annotated[
        Path | None, typer.Option(help="PEM file of its private key", exists=True)
    ] = None,
    authority: Annotated[
        Path | None, typer.Option(help="PEM file of the authority that signed it", exists=True)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a family at nodes that keep their users' histories, and compare it with pooled data."""
    from training.commands.federate import federate as run
    from training.federated.federation import Rounds
    from training.federated.tls import certificates_of

    planned = Rounds(rounds, rule, secure, round_seconds, encrypted)
    certificates = certificates_of(certificate, certificate_key, authority)
    report = run(Settings(), snapshot, family, assignment, planned, certificates)
    answer(report.summary(), report.as_dict(), as_json)


@models.command()
def federated_node(
    snapshot: SnapshotId,
    family: Annotated[str, typer.Option(help="matrix_factorization or gru")],
    superlink: Annotated[str, typer.Option(help="host:port of Flower's SuperLink")],
    catalogue: Annotated[
        Path, typer.Option(help="file of the item ids that all nodes share", exists=True)
    ],
    name: Annotated[str, typer.Option(help="name of this node in the server's record")],
    users: Annotated[
        Path | None, typer.Option(help="file of user ids; default: all users", exists=True)
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option(help="PEM file of the authority of the server's certificate; default: no TLS"),
    ] = None,
    secret_key: Annotated[
        Path | None, typer.Option(help="the nodes' key for encrypted updates", exists=True)
    ] = None,
    grant: Annotated[
        Path | None, typer.Option(help="file of `penchant federate`, which entered the rounds")
    ] = None,
) -> None:
    """Be a node of a federation: train whenever the server asks, until SIGTERM."""
    from training.commands.federate import Node
    from training.commands.federate import federated_node as run

    node = Node(name, superlink, catalogue, users, authority, secret_key, grant)
    run(Settings(), snapshot, family, node)
