"""The cause of a failed task, from Airflow's log file of its last try."""

import json
from pathlib import Path

from penchant.platform.airflow import airflow_home
from penchant.platform.rest import Task
from penchant.settings import Settings

CAUSE_LINES = 20


def log_file(settings: Settings, task: Task) -> Path:
    """Airflow's log file of the task's last try."""
    folder = airflow_home(settings) / "logs" / f"dag_id={task.dag_id}" / f"run_id={task.run_id}"
    folder /= f"task_id={task.task_id}"
    if task.map_index >= 0:
        folder /= f"map_index={task.map_index}"
    return folder / f"attempt={task.try_number}.log"


def skip_reason(log: Path) -> str | None:
    """The first line of the reason that a skipped task gave."""
    if not log.exists():
        return None
    entries = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    reasons = [entry["reason"] for entry in entries if entry.get("reason")]
    return reasons[-1].splitlines()[0] if reasons else None


def causes(log: Path) -> list[str]:
    """The task's exceptions, or else its last log lines."""
    if not log.exists():
        return ["no log file: the scheduler could not start the task"]
    entries = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    exceptions = [
        line
        for entry in entries
        for error in entry.get("error_detail") or ()
        for line in f"{error['exc_type']}: {error['exc_value']}".splitlines()
    ]
    lines = exceptions or [str(entry.get("event", "")) for entry in entries]
    return lines[-CAUSE_LINES:]
