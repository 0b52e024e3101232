"""Tell a person when a task has failed for the last time."""

import subprocess
from typing import Any

from airflow.sdk import BaseNotifier, conf

from dags.command import PENCHANT

SECONDS = 60
TIERS = {
    "tier-1": "users see old or no recommendations",
    "tier-2": "models or features get old",
    "tier-3": "nothing that users see",
}
"""Impact; each DAG has one as a tag."""


class TaskFailed(BaseNotifier):
    """Runs ``penchant alert``, which knows the sinks, with owner, tier and runbook of the DAG."""

    def notify(self, context: Any) -> None:
        command = [*PENCHANT, "alert", *options(context)]
        try:
            subprocess.run(command, timeout=SECONDS, check=True, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError) as error:
            self.log.error("alert not sent", cause=str(error))


def options(context: Any) -> list[str]:
    """Arguments of ``penchant alert`` for a failed task."""
    task, dag = context["task"], context["dag"]
    cause = str(context.get("exception") or "no exception: the task was killed or timed out")
    url = f"{conf.get('api', 'base_url', fallback='')}/dags/{dag.dag_id}"
    return [
        "--kind",
        "data-rejected" if "data rejected" in cause else "task-failed",
        "--text",
        f"{dag.dag_id}.{task.task_id} in run {context['run_id']}: {cause[:1500]}",
        "--owner",
        task.owner,
        "--tier",
        next(tag for tag in sorted(dag.tags) if tag in TIERS),
        "--runbook",
        url,
    ]
