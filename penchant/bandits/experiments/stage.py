"""The `evaluate-experiment` stage: evaluate the running experiment, and act on the result."""

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import Experiment, ExperimentResult, Snapshot
from penchant.artifacts.experiment import Decision
from penchant.bandits.assignment import experiment_of, live_policy, running_experiment
from penchant.bandits.experiments import store
from penchant.bandits.experiments.evaluate import evaluate
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.settings import Settings

COLUMNS = ["user_id", "item_id", "policy", "context", "shown_at", "clicked", "reward"]


@dataclass(frozen=True)
class ExperimentReport:
    """``live_policy``: of everybody, or of the control arm, after the decision was acted on."""

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
    """Evaluate the running experiment on the ``policy_log`` of a snapshot.

    ``keep`` gives the treatment to everybody, ``rollback`` and ``mismatch`` return everybody to the
    control; each ends the experiment. Raises NothingToDo where none runs or none of its impressions
    is settled yet, and DataError for an arm without users.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    experiment = running_experiment(settings)
    if experiment is None:
        raise NothingToDo("no experiment runs", "`penchant evaluate-policy` starts one")
    log = _log(snapshot, experiment)
    if not log.num_rows:
        raise NothingToDo(
            f"snapshot {snapshot_id} holds no settled impression of {experiment.id}",
            "wait until the outcome window of its impressions has passed",
        )
    evaluation = evaluate(experiment.id, log, experiment.shares, _returns(snapshot, experiment))
    result = ExperimentResult(
        experiment_id=experiment.id, snapshot_id=snapshot_id, **evaluation.as_dict()
    )
    store.write_result(settings, result)
    if result.decision == "keep":
        settings.live_policy.flip(experiment.treatment.policy_id)
    if result.decision != "continue":  # the control stayed the live policy throughout
        store.end(settings)
    live = live_policy(settings).policy_id
    return ExperimentReport(
        experiment.id, snapshot_id, result.decision, result.reason, result.users, live
    )


def _log(snapshot: Snapshot, experiment: Experiment) -> pa.Table:
    """Impressions that the experiment assigned, by the context that was logged with them: control
    also serves everybody before and after the experiment."""
    since = pc.field("shown_at") >= pa.scalar(experiment.began_at, pa.timestamp("us"))
    log = pq.read_table(snapshot.mart("policy_log"), columns=COLUMNS, filters=since)
    contexts = pc.unique(log["context"]).drop_null().to_pylist()
    assigned = [each for each in contexts if experiment_of(each) == experiment.id]
    return log.filter(pc.is_in(log["context"], value_set=pa.array(assigned, pa.string())))


def _returns(snapshot: Snapshot, experiment: Experiment) -> pa.Table:
    """What each user bought and returned, in money, since the experiment began."""
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
