"""``penchant demo``: run the main job with Airflow's scheduler and show its progress."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console

from penchant.errors import PenchantError
from penchant.platform.airflow import migrate
from penchant.platform.chain import CHAIN, Chain, idle_share, pools
from penchant.platform.rest import Airflow
from penchant.platform.running import Platform, platform, require_none
from penchant.platform.services import (
    HOST,
    SCHEDULER,
    Service,
    airflow_services,
    require_free_ports,
)
from penchant.platform.tasklog import causes, log_file
from penchant.platform.view import View, view_on
from penchant.settings import Settings
from penchant.storage import write_json

POLL_SECONDS = 0.7
PARSE_SECONDS = 120.0
INTERRUPTED = 130
UNFINISHED = "unfinished"
"""Marker file: exists from the start of a scheduler until the chain has succeeded."""


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP; handled like Ctrl-C."""


@dataclass(frozen=True)
class Figures:
    """Timings of one demo. ``idle_share`` is the share of ``seconds`` in which no task ran."""

    seconds: float
    ready_seconds: float
    idle_share: float
    tasks: list[dict[str, object]]


def run(settings: Settings) -> int:
    """Run the main job and show its progress.

    Returns the exit status: 0 success, 1 failure, 130 interrupted. In each case all processes have
    ended, and the next run resumes from completed work.
    """
    console = Console()
    started = datetime.now(UTC)
    try:
        with ended_by_signals():
            chain = _run_chain(settings, console, started)
    except KeyboardInterrupt:
        console.print("\nStopped; all processes have ended. Run `make demo` again to resume.")
        return INTERRUPTED
    if chain.broken:
        _print_failures(settings, console, chain)
        return 1
    return 0


def _run_chain(settings: Settings, console: Console, started: datetime) -> Chain:
    require_none(settings.home)
    services = airflow_services(settings)
    require_free_ports(services)
    with platform(settings) as running:
        with (
            view_on(console, started) as view,
            _airflow(settings, running, services, view) as airflow,
        ):
            ready = datetime.now(UTC)
            chain = Chain(airflow)
            while not (chain.done or chain.broken):
                running.require_alive()
                chain.poll()
                view.show(chain)
                time.sleep(POLL_SECONDS)
        ended = datetime.now(UTC)
        if chain.done:
            (settings.home / "platform" / UNFINISHED).unlink()
            figures = Figures(
                (ended - started).total_seconds(),
                (ready - started).total_seconds(),
                idle_share(chain.tasks, started, ended),
                [asdict(task) | {"seconds": task.seconds(ended)} for task in chain.tasks],
            )
            write_json(settings.home / "platform" / "demo.json", asdict(figures))
            # imports Parquet and feature readers, which a failed demo does not need
            from penchant.platform.summary import print_summary

            print_summary(settings, console, chain, figures.seconds, figures.idle_share)
    return chain


@contextmanager
def _airflow(
    settings: Settings, running: Platform, services: tuple[Service, ...], view: View
) -> Iterator[Airflow]:
    """Start Airflow and wait until it has parsed the DAGs; yield a client."""
    view.step("preparing Airflow's database")
    migrate(settings)
    view.step("starting Airflow")
    with start_airflow(settings, running, services) as airflow:
        view.step("Airflow is up; waiting until it has parsed the DAGs")
        wait_for_dags(airflow, running)
        yield airflow


@contextmanager
def start_airflow(
    settings: Settings, running: Platform, services: tuple[Service, ...]
) -> Iterator[Airflow]:
    """Start ``services``, Airflow's among them, and prepare it; yield a session with it.

    A scheduler takes up what a killed one left. Where that may be, it starts after the rest, when
    what was left has been ended.
    """
    unfinished = settings.home / "platform" / UNFINISHED
    late = unfinished.exists()
    unfinished.touch()
    for service in services:
        if not (late and service.name == SCHEDULER):
            running.start(service)
    running.wait_until_ready(services)
    with Airflow(f"http://{HOST}:{settings.airflow_port}") as airflow:
        prepare(airflow, pools(settings))
        if late:
            running.start(next(service for service in services if service.name == SCHEDULER))
        yield airflow


def prepare(airflow: Airflow, slots_of: dict[str, int]) -> None:
    """Set the pools, and end what an earlier run left unfinished."""
    for name, slots in slots_of.items():
        airflow.set_pool(name, slots, "see dags/defaults.py")
    for run in airflow.unfinished_runs():
        airflow.fail_run(run)
    for dag_id in CHAIN[1:]:
        airflow.forget_queued_events(dag_id)


def wait_for_dags(airflow: Airflow, running: Platform) -> None:
    """Wait until all DAGs are parsed and the scheduler is healthy."""
    give_up_at = time.monotonic() + PARSE_SECONDS
    while True:
        running.require_alive()
        known = set(CHAIN) <= airflow.dag_ids()
        if known and airflow.health()["scheduler"] == "healthy":
            return
        if errors := airflow.import_errors():
            file, trace = next(iter(errors.items()))
            raise PenchantError(f"Airflow cannot import {file}:\n{trace}", "fix that file")
        if time.monotonic() > give_up_at:
            raise PenchantError(
                f"Airflow has not parsed the DAGs within {PARSE_SECONDS:.0f} s",
                "read airflow/logs/dag-processor.log and scheduler.log under PENCHANT_HOME",
            )
        time.sleep(0.3)


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
