"""Asset events wake a DAG; its first task finds out what to work on.

Airflow loses or merges asset events that arrive while a run of the DAG is active, so an event's id
may be outdated and the last event may never start a run. The DAG ``reconcile`` wakes a DAG again.
"""

from typing import Any

from airflow.sdk import Context, Param
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from dags.command import Command

LATEST = "latest"
SNAPSHOT_ID = f"{{{{ ti.xcom_pull(task_ids='{LATEST}')['snapshot_id'] }}}}"
SNAPSHOT_PARAMS = {
    "snapshot_id": Param(None, type=["null", "string"], description="instead of the newest")
}
MANUALLY = "{{ '--again' if dag_run.run_type == 'manual' else '' }}"
"""A manual run repeats what is done; each stage finds its own completed work."""
ACTIVE = ["queued", "running"]


class Latest(Command):
    """The first task of a DAG: resolve the newest snapshot, or skip all tasks if it is done.

    Downstream tasks are skipped whatever their trigger rule is.
    """

    def __init__(self, *, dag_id: str, task_id: str = LATEST, **kwargs: Any) -> None:
        snapshot = ["--snapshot", "{{ params.get('snapshot_id') or '' }}"]
        kwargs.setdefault("subcommand", ["resolve", MANUALLY, "--dag", dag_id, *snapshot])
        super().__init__(task_id=task_id, **kwargs)

    def execute(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSkipException as skip:
            self.log.info("skipping all tasks", reason=str(skip))
            raise DownstreamTasksSkipped(
                tasks=sorted(self.get_flat_relative_ids(upstream=False))
            ) from skip


class Wake(Command):
    """Wake a DAG, by an event of the asset that triggers it, if it is behind and has no run."""

    def __init__(self, *, wakes: str, **kwargs: Any) -> None:
        self.wakes = wakes
        kwargs.setdefault("subcommand", ["reconcile", "--dag", wakes])
        super().__init__(**kwargs)

    def execute(self, context: Context) -> Any:
        if context["ti"].get_dr_count(self.wakes, states=ACTIVE):
            raise AirflowSkipException(f"{self.wakes} has an active run")
        return super().execute(context)
