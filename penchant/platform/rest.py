"""A client of Airflow's REST API, for the calls that the platform needs."""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from penchant.errors import PenchantError

TIMEOUT_SECONDS = 30.0
"""On two busy cores a response may take seconds."""
TRIES = 4
AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Run:
    """A DAG run. ``state`` is Airflow's: queued, running, success or failed."""

    dag_id: str
    run_id: str
    state: str
    due: datetime

    @property
    def ended(self) -> bool:
        return self.state in ("success", "failed")


@dataclass(frozen=True)
class Task:
    """A task instance, last try. ``label`` names a mapped instance, such as train[sasrec]."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    label: str
    state: str | None
    try_number: int
    start: datetime | None
    end: datetime | None

    def seconds(self, now: datetime) -> float | None:
        """Duration so far; None before the start."""
        if self.start is None:
            return None
        return ((self.end or now) - self.start).total_seconds()


class Airflow:
    """A session with the API server, where all users are administrators."""

    def __init__(self, url: str) -> None:
        token = httpx.get(f"{url}/auth/token", timeout=TIMEOUT_SECONDS).raise_for_status().json()
        self._http = httpx.Client(
            base_url=f"{url}/api/v2",
            headers={"Authorization": f"Bearer {token['access_token']}"},
            timeout=TIMEOUT_SECONDS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def health(self) -> dict[str, str | None]:
        """The status of each component, by name."""
        return {name: part["status"] for name, part in self._get("/monitor/health").items()}

    def dag_ids(self) -> set[str]:
        """The DAGs that have been parsed so far."""
        return {dag["dag_id"] for dag in self._get("/dags", limit=100)["dags"]}

    def import_errors(self) -> dict[str, str]:
        """Stack traces of DAG files that cannot be imported, by file."""
        errors = self._get("/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Create or update a pool."""
        pool = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        known = {found["name"] for found in self._get("/pools", limit=100)["pools"]}
        if name in known:
            self._ask("PATCH", f"/pools/{name}", json=pool)
        else:
            self._ask("POST", "/pools", json=pool)

    def unfinished_runs(self) -> list[Run]:
        return [
            run_of(found)
            for state in ("queued", "running")
            for found in self._get("/dags/~/dagRuns", state=state, limit=100)["dag_runs"]
        ]

    def fail_run(self, run: Run) -> None:
        """End a run that nobody is working on any more, and its tasks with it."""
        self._ask("PATCH", f"/dags/{run.dag_id}/dagRuns/{run.run_id}", json={"state": "failed"})

    def forget_queued_events(self, dag_id: str) -> None:
        """Drop asset events that would start a run of ``dag_id`` and have not yet."""
        path = f"/dags/{dag_id}/assets/queuedEvents"
        answer = self._http.delete(path)
        # 404 says that there are none
        if answer.status_code != httpx.codes.NOT_FOUND and answer.is_error:
            raise no_answer(path, answer.text)

    def trigger(self, dag_id: str) -> Run:
        """Trigger a manual run without a logical date."""
        return run_of(self._ask("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None}))

    def run(self, run: Run) -> Run:
        """The current state of the run."""
        return run_of(self._get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}"))

    def tasks(self, run: Run) -> list[Task]:
        found = self._get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances", limit=100)
        return [task_of(task) for task in found["task_instances"]]

    def first_run_since(self, dag_id: str, since: datetime) -> Run | None:
        """The first run of a DAG with ``run_after`` at or after ``since``."""
        query = {"run_after_gte": since.isoformat(), "order_by": "run_after", "limit": 1}
        found = self._get(f"/dags/{dag_id}/dagRuns", **query)["dag_runs"]
        return run_of(found[0]) if found else None

    def _get(self, path: str, **query: Any) -> Any:
        """Ask, and ask again where the server is too busy or its SQLite file is locked."""
        for _ in range(TRIES - 1):
            with suppress(PenchantError):
                return self._ask("GET", path, params=query)
            time.sleep(AGAIN_SECONDS)
        return self._ask("GET", path, params=query)

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        try:
            return self._http.request(method, path, **request).raise_for_status().json()
        except httpx.HTTPError as error:
            raise no_answer(path, str(error)) from error


def no_answer(path: str, why: str) -> PenchantError:
    return PenchantError(
        f"Airflow's API does not answer {path}: {why}",
        "read airflow/logs/api-server.log under PENCHANT_HOME, then run again",
    )


def run_of(found: dict[str, Any]) -> Run:
    due = instant(found["run_after"])
    assert due is not None
    return Run(found["dag_id"], found["dag_run_id"], found["state"], due)


def task_of(found: dict[str, Any]) -> Task:
    mapped = found["map_index"] >= 0
    name = found["rendered_map_index"] or str(found["map_index"])
    return Task(
        dag_id=found["dag_id"],
        run_id=found["dag_run_id"],
        task_id=found["task_id"],
        map_index=found["map_index"],
        label=f"{found['task_id']}[{name}]" if mapped else found["task_id"],
        state=found["state"],
        try_number=found["try_number"],
        start=instant(found["start_date"]),
        end=instant(found["end_date"]),
    )


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
