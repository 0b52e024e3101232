"""``penchant demo``: run the main job with Airflow's scheduler and show its progress."""

import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from penchant.platform.chain import CHAIN, Chain, idle_share
from penchant.platform.inputs import inputs_hash, state_of
from penchant.platform.preflight import require_startable
from penchant.platform.rest import Airflow, Run
from penchant.platform.running import platform, require_none
from penchant.platform.services import airflow_services, api_service
from penchant.platform.startup import start_airflow
from penchant.platform.tasklog import causes, log_file, skip_reason
from penchant.platform.view import view_on
from penchant.settings import Settings
from penchant.storage import write_json

POLL_SECONDS = 4.0
"""The API server answers a poll in a tenth of a CPU second."""
INTERRUPTED = 130
RECOMMEND = "`.venv/bin/penchant recommend --user U`"


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP; handled like Ctrl-C."""


@dataclass(frozen=True)
class Figures:
    """Timings of one demo. ``first_release_seconds``: None if a release was live already.

    ``idle_share`` is the share of ``seconds`` in which no task ran.
    """

    seconds: float
    ready_seconds: float
    first_release_seconds: float | None
    idle_share: float
    tasks: list[dict[str, object]]


def run(settings: Settings) -> int:
    """Run the main job and show its progress, unless nothing has changed since the last run.

    Returns the exit status: 0 success, 1 failure, 130 interrupted. In each case all processes have
    ended, and the next run resumes from completed work.
    """
    console = Console()
    started = datetime.now(UTC)
    inputs = inputs_hash(settings)
    completed = settings.home / "platform" / "completed.json"
    if completed.exists():
        if json.loads(completed.read_text()) == {"inputs": inputs, "state": state_of(settings)}:
            _print_summary(settings, console, ["Nothing has changed since the last run."])
            return 0
        completed.unlink()
    try:
        with ended_by_signals():
            chain = _run_chain(settings, console, started)
    except KeyboardInterrupt:
        console.print("\nStopped; all processes have ended. Run `make demo` again to resume.")
        return INTERRUPTED
    if chain.broken:
        _print_failures(settings, console, chain)
        return 1
    # the code or the source may have changed meanwhile
    if not chain.failed and inputs_hash(settings) == inputs:
        write_json(completed, {"inputs": inputs, "state": state_of(settings)})
    return 0


def _run_chain(settings: Settings, console: Console, started: datetime) -> Chain:
    require_none(settings.home)
    api = api_service(settings)
    require_startable(settings, (*airflow_services(settings), api), console.print)
    unfinished = Unfinished(settings.home / "platform" / "unfinished.json")
    with platform(settings) as running:
        with (
            view_on(console, started) as view,
            start_airflow(settings, running, view.step, (), unfinished.end) as airflow,
        ):
            ready = datetime.now(UTC)
            (_, url), *_ = airflow_services(settings)[0].pages
            view.note(f"Airflow shows the tasks and their logs: {url}")
            chain = Chain(airflow)
            first_release_seconds = None
            while not (chain.done or chain.broken):
                unfinished.record(chain.runs)
                running.require_alive()
                chain.poll()
                view.show(chain)
                if chain.has_first_release and first_release_seconds is None:
                    first_release_seconds = (datetime.now(UTC) - started).total_seconds()
                    running.start(api)
                    view.note(f"A first release is live: {api.pages[0][1]}, {RECOMMEND}")
                time.sleep(POLL_SECONDS)
        ended = datetime.now(UTC)
        unfinished.clear()
    # the platform has ended: what the release has started since would delay the summary
    if chain.done:
        figures = Figures(
            (ended - started).total_seconds(),
            (ready - started).total_seconds(),
            first_release_seconds,
            idle_share(chain.tasks, started, ended),
            [asdict(task) | {"seconds": task.seconds(ended)} for task in chain.tasks],
        )
        write_json(settings.home / "platform" / "demo.json", asdict(figures))
        _print_summary(settings, console, _notes(settings, chain, figures))
    return chain


def _notes(settings: Settings, chain: Chain, figures: Figures) -> list[str]:
    """The duration, and a line for each family that was not compared."""
    skipped = [
        (task.label, skip_reason(log_file(settings, task))) for task in chain.skipped_families
    ]
    took = f"The main job took {figures.seconds:.0f} s"
    return [
        f"{took}; no task ran in {figures.idle_share:.0%} of that time.",
        *(f"{label}: {reason}" for label, reason in skipped if reason),
        *(f"{task.label} failed and was not compared" for task in chain.failed),
    ]


def _print_summary(settings: Settings, console: Console, notes: Sequence[str]) -> None:
    # imports Parquet and feature readers, which a failed demo does not need
    from penchant.platform.summary import print_summary

    print_summary(settings, console, notes)


class Unfinished:
    """A file with the runs of this demo. The next demo ends them if this one is killed.

    A scheduler would resume them beside the runs of the next demo.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recorded: list[Run] = []

    def record(self, runs: list[Run]) -> None:
        if [run.run_id for run in runs] != [run.run_id for run in self._recorded]:
            write_json(self._path, [{"dag_id": run.dag_id, "run_id": run.run_id} for run in runs])
            self._recorded = list(runs)

    def end(self, airflow: Airflow) -> None:
        """Fail the runs that an interrupted demo left, before the scheduler starts."""
        if self._path.exists():
            for run in json.loads(self._path.read_text()):
                airflow.fail_run(run["dag_id"], run["run_id"])
            for dag_id in CHAIN[1:]:
                airflow.drop_queued_events(dag_id)

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise Ended on SIGTERM and SIGHUP inside the block, like Ctrl-C does."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _print_failures(settings: Settings, console: Console, chain: Chain) -> None:
    for stage in chain.stages:
        if stage.run and stage.run.state == "failed":
            console.print(f"\n{stage.dag_id} failed.", style="bold red")
    for task in chain.failed:
        log = log_file(settings, task)
        console.print(f"\n{task.dag_id} {task.label} failed:", style="bold red", markup=False)
        for line in causes(log):
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"  full log: {log}", markup=False, highlight=False, soft_wrap=True)
    console.print("\nFix the cause and run `make demo` again: it resumes from completed work.")
