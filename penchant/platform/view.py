"""Progress of the main job: a live table on a terminal, otherwise one line per change."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penchant.platform.chain import PLANS, Chain, Families, Stage, is_family
from penchant.platform.progress import Progress
from penchant.platform.rest import Task

STYLES = {
    "success": "green",
    "running": "bold cyan",
    "failed": "bold red",
    "up_for_retry": "yellow",
    "upstream_failed": "red",
}


class View(Protocol):
    """Shows a start-up step, a note that stays, or the state of the chain."""

    def step(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def show(self, chain: Chain) -> None: ...


class Lines:
    """For logs and pipes: one line per change."""

    def __init__(self, console: Console, started: datetime) -> None:
        self._console = console
        self._started = started
        self._shown: dict[tuple[str, str], str | None] = {}
        self._stage = 0

    def step(self, text: str) -> None:
        elapsed = (datetime.now(UTC) - self._started).total_seconds()
        self._console.print(
            f"{elapsed:7.1f} s  {text}", highlight=False, markup=False, soft_wrap=True
        )

    def note(self, text: str) -> None:
        self.step(text)

    def show(self, chain: Chain) -> None:
        now = datetime.now(UTC)
        progress = Progress.of_stages(chain.stages, self._started, now)
        for stage, task in chain.staged_tasks:
            key = (task.dag_id, f"{task.task_id} {task.map_index}")
            if task.state and self._shown.get(key) != task.state and not is_waiting_family(task):
                self._shown[key] = task.state
                seconds = task.seconds(now)
                took = f"  {seconds:.1f} s" if seconds and task.end else ""
                families = Families.of_stage(stage, now) if is_family(task) else None
                count = f"  ({families})" if families and task.end else ""
                self.step(f"{task.dag_id}  {task.label}  {task.state}{took}{count}")
        if progress.number > self._stage:
            self._stage = progress.number
            self.step(str(progress))


class Board:
    """For a terminal: a table of all DAGs with their tasks, redrawn in place."""

    def __init__(self, live: Live, started: datetime) -> None:
        self._live = live
        self._started = started
        self._notes: list[Text] = []

    def step(self, text: str) -> None:
        self._live.update(Text(f"{self._elapsed()}  {text}", style="dim"), refresh=True)

    def note(self, text: str) -> None:
        self._notes.append(Text(text, style="bold"))

    def show(self, chain: Chain) -> None:
        self._live.update(Group(self._table(chain), *self._notes), refresh=True)

    def _elapsed(self) -> str:
        seconds = int((datetime.now(UTC) - self._started).total_seconds())
        return f"{seconds // 60}:{seconds % 60:02d}"

    def _table(self, chain: Chain) -> Table:
        now = datetime.now(UTC)
        progress = Progress.of_stages(chain.stages, self._started, now)
        title = f"The main job, {self._elapsed()}: {progress}"
        table = Table(title=title, title_justify="left", min_width=64)
        table.add_column("DAG")
        table.add_column("task")
        table.add_column("state")
        table.add_column("seconds", justify="right")
        for stage in chain.stages:
            if not stage.tasks:
                table.add_row(Text(stage.dag_id, "dim"), "", Text("waiting", "dim"), "")
            for number, row in enumerate(stage_rows(stage, now)):
                table.add_row(stage.dag_id if number == 0 else "", *row)
        return table


def is_waiting_family(task: Task) -> bool:
    """Whether this is a family that has not started."""
    return is_family(task) and task.state in ("scheduled", "queued")


def is_counted_only(task: Task) -> bool:
    """Whether this is a family without a row of its own, because a terminal is short."""
    if task.task_id in PLANS and task.map_index < 0:
        return True
    return is_family(task) and task.state not in ("running", "failed", "up_for_retry")


def stage_rows(stage: Stage, now: datetime) -> Iterator[tuple[Text, Text, str]]:
    """Rows of a DAG: few, because a terminal may have 24 lines and crops what is below."""
    listed = [task for task in stage.tasks if not is_counted_only(task)]
    succeeded = [task for task in listed if task.state == "success"]
    if len(succeeded) > 1:
        listed = [task for task in listed if task.state != "success"]
        seconds = sum(task.seconds(now) or 0.0 for task in succeeded)
        yield Text(f"{len(succeeded)} tasks"), Text("success", STYLES["success"]), f"{seconds:.0f}"
    if families := Families.of_stage(stage, now):
        style = "green" if families.done == families.of else "bold cyan"
        yield Text("training"), Text(families.counted, style), f"{families.seconds:.0f}"
    for task in listed:
        yield task_row(task, now)


def task_row(task: Task, now: datetime) -> tuple[Text, Text, str]:
    """Label, state and seconds of a task."""
    state = task.state or "waiting"
    seconds = task.seconds(now)
    again = f" (try {task.try_number})" if task.try_number > 1 else ""
    return (
        Text(task.label),
        Text(state + again, STYLES.get(state, "dim")),
        f"{seconds:.0f}" if seconds is not None else "",
    )


@contextmanager
def view_on(console: Console, started: datetime) -> Iterator[View]:
    """The view for ``console``: a table on a terminal, otherwise lines."""
    if not console.is_terminal:
        yield Lines(console, started)
        return
    # drawn when something is shown: redrawing an unchanged table took 4 % of a core
    with Live(console=console, auto_refresh=False) as live:
        yield Board(live, started)
