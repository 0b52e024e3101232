"""The `evaluate-experiment` stage: judge what runs on a snapshot's log, and act on it."""

import re
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penchant.artifacts import Snapshot
from penchant.bandits.assignment import Experiment, live_policy, running
from penchant.bandits.experiments import store
from penchant.bandits.experiments.evaluate import Decision, evaluate
from penchant.errors import NothingToDo
from penchant.settings import Settings

COLUMNS = ["user_id", "item_id", "policy", "context", "shown_at", "clicked", "reward"]


@dataclass(frozen=True)
class ExperimentReport:
    """``live_policy``: what is served to all, or to control, after the decision was acted on."""

    experiment_id: str
    snapshot_id: str
    decision: Decision
    reason: str
    users: dict[str, int]
    live_policy: str

    def summary(self) -> str:
        return f"{self.experiment_id}: {self.decision} ({self.reason}); {self.live_policy} is live"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def evaluate_experiment(settings: Settings, snapshot_id: str) -> ExperimentReport:
    """Judge the running experiment by what a snapshot's ``policy_log`` holds of it.

    ``keep`` gives the treatment to everybody, ``rollback`` and ``mismatch`` give all back to the
    control; each ends the experiment. Raises NothingToDo where none runs or nothing of it has been
    answered yet, and DataError for an arm without users.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    experiment = running(settings)
    if experiment is None:
        raise NothingToDo("no experiment runs", "`penchant evaluate-policy` begins one")
    log = _log(snapshot, experiment)
    if not log.num_rows:
        raise NothingToDo(
            f"snapshot {snapshot_id} holds no settled impression of {experiment.id}",
            "wait until outcomes have had their window",
        )
    verdict = evaluate(experiment.id, log, experiment.shares, _returns(snapshot, experiment))
    store.judged(settings, experiment, verdict, snapshot_id)
    if verdict.decision != "go on":
        won = verdict.decision == "keep"
        settings.live_policy.flip(experiment.treatment if won else experiment.control)
        store.end(settings)
    live = live_policy(settings)
    return ExperimentReport(
        experiment.id, snapshot_id, verdict.decision, verdict.reason, verdict.users, live
    )


def _log(snapshot: Snapshot, experiment: Experiment) -> pa.Table:
    """What was shown in the experiment: by its name in the context, because control was served to
    everybody until it began, and may be again."""
    since = pc.field("shown_at") >= pa.scalar(experiment.began_at, pa.timestamp("us"))
    log = pq.read_table(snapshot.mart("policy_log"), columns=COLUMNS, filters=since)
    named = rf'"experiment": ?"{re.escape(experiment.id)}"'
    return log.filter(pc.fill_null(pc.match_substring_regex(log["context"], named), False))


def _returns(snapshot: Snapshot, experiment: Experiment) -> pa.Table:
    """What each user bought and sent back, in money, since the experiment began."""
    since = pc.field("event_at") >= pa.scalar(experiment.began_at, pa.timestamp("us"))
    columns = ["user_id", "event_type", "value"]
    events = pq.read_table(snapshot.mart("events"), columns=columns, filters=since)
    value = pc.fill_null(events["value"], 0.0)

    def of(event_type: str) -> pa.ChunkedArray:
        return pc.if_else(pc.equal(events["event_type"], event_type), pc.abs(value), 0.0)

    amounts = pa.table(
        {"user_id": events["user_id"], "bought": of("purchase"), "sent_back": of("return")}
    )
    summed = amounts.group_by("user_id").aggregate([("bought", "sum"), ("sent_back", "sum")])
    return summed.select(["user_id", "bought_sum", "sent_back_sum"])
