"""A client of Airflow's REST API, for the calls that the platform needs."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from penchant.errors import PenchantError

TIMEOUT_SECONDS = 30.0
"""On two busy cores a response may take seconds."""
DEADLINE_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0
NEWEST_RUNS = 100


@dataclass(frozen=True)
class Run:
    """A DAG run. ``state`` is Airflow's: queued, running, success or failed."""

    dag_id: str
    run_id: str
    state: str

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
    """A session with the API server, where all users are administrators.

    Each call is repeated with back-off after a connection error, a 5xx or a 429, until a deadline.
    ``require_alive`` raises where a repetition is pointless, because a service has ended.
    """

    def __init__(self, url: str, require_alive: Callable[[], None]) -> None:
        self._require_alive = require_alive
        # without the environment's proxies: the server is on this machine
        self._http = httpx.Client(
            base_url=f"{url}/api/v2", timeout=TIMEOUT_SECONDS, trust_env=False
        )
        token = self._json("GET", f"{url}/auth/token")["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

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

    def import_errors(self, since: datetime) -> dict[str, str]:
        """Stack traces of DAG files that could not be imported since a time, by file."""
        errors = self._get("/importErrors", limit=100)["import_errors"]
        return {
            error["filename"]: error["stack_trace"]
            for error in errors
            if datetime.fromisoformat(error["timestamp"]) >= since
        }

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Create or update a pool."""
        pool = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        created = self._request("POST", "/pools", json=pool)
        if created.status_code == httpx.codes.CONFLICT:
            self._json("PATCH", f"/pools/{name}", json=pool)
        else:
            body_of(created)

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """End a run that is unfinished, with its tasks. Does nothing if there is no such run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}"
        found = self._request("GET", path)
        if found.status_code != httpx.codes.NOT_FOUND and not run_of(body_of(found)).ended:
            self._json("PATCH", path, json={"state": "failed"})

    def drop_queued_events(self, dag_id: str) -> None:
        """Drop asset events that have not triggered a run of ``dag_id`` yet."""
        response = self._request("DELETE", f"/dags/{dag_id}/assets/queuedEvents")
        # 404: there are none
        if response.status_code != httpx.codes.NOT_FOUND and response.is_error:
            body_of(response)

    def trigger(self, dag_id: str, run_id: str) -> Run:
        """Trigger a manual run without a logical date; the existing run if the id is taken."""
        run = {"logical_date": None, "dag_run_id": run_id}
        response = self._request("POST", f"/dags/{dag_id}/dagRuns", json=run)
        # a first try created the run although its response was lost
        if response.status_code == httpx.codes.CONFLICT:
            return run_of(self._get(f"/dags/{dag_id}/dagRuns/{run_id}"))
        return run_of(body_of(response))

    def run(self, run: Run) -> Run:
        """The current state of the run."""
        return run_of(self._get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}"))

    def tasks(self, run: Run) -> list[Task]:
        found = self._get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances", limit=100)
        return [task_of(task) for task in found["task_instances"]]

    def returned(self, run: Run, task_id: str) -> Any:
        """The value that a task returned."""
        path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}"
        value = self._get(f"{path}/xcomEntries/return_value")["value"]
        return json.loads(value) if isinstance(value, str) else value

    def newest_runs(self, dag_id: str) -> list[Run]:
        """A DAG's newest runs, newest first, in the order in which the database got them."""
        found = self._get(f"/dags/{dag_id}/dagRuns", order_by="-id", limit=NEWEST_RUNS)
        return [run_of(run) for run in found["dag_runs"]]

    def _get(self, path: str, **query: Any) -> Any:
        return self._json("GET", path, params=query)

    def _json(self, method: str, path: str, **request: Any) -> Any:
        return body_of(self._request(method, path, **request))

    def _request(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The first response other than 5xx and 429. Raises PenchantError at the deadline."""
        give_up_at = time.monotonic() + DEADLINE_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                response = self._http.request(method, path, **request)
                if not (response.is_server_error or response.status_code == 429):
                    return response
                problem = f"status {response.status_code}, {response.text[:200]!r}"
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            self._require_alive()
            if time.monotonic() + pause > give_up_at:
                raise PenchantError(
                    f"Airflow's API failed for {DEADLINE_SECONDS:.0f} s, {method} {path}: "
                    f"{problem}",
                    "read airflow/logs/api-server.log under PENCHANT_HOME, then run again",
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def body_of(response: httpx.Response) -> Any:
    """The parsed JSON of a response. Raises PenchantError for an error status."""
    if response.is_error:
        request = response.request
        raise PenchantError(
            f"Airflow's API rejected {request.method} {request.url.path}: "
            f"status {response.status_code}, {response.text[:200]!r}",
            "check in .env or the environment that no other Airflow uses PENCHANT_AIRFLOW_PORT",
        )
    return response.json()


def run_of(found: dict[str, Any]) -> Run:
    return Run(found["dag_id"], found["dag_run_id"], found["state"])


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
