"""The live view of the main job: a table on a terminal, a line for each change elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penchant.platform.chain import Chain

STYLES = {
    "success": "green",
    "running": "bold cyan",
    "failed": "bold red",
    "up_for_retry": "yellow",
    "upstream_failed": "red",
}
REFRESHES_PER_SECOND = 4


class View(Protocol):
    """Shows a step of the start, or the chain as it is."""

    def step(self, text: str) -> None: ...

    def show(self, chain: Chain) -> None: ...


class Lines:
    """For logs and pipes: one line for each thing that changed."""

    def __init__(self, console: Console, started: datetime) -> None:
        self._console = console
        self._started = started
        self._shown: dict[tuple[str, str], str | None] = {}

    def step(self, text: str) -> None:
        elapsed = (datetime.now(UTC) - self._started).total_seconds()
        self._console.print(f"{elapsed:7.1f} s  {text}", highlight=False, markup=False)

    def show(self, chain: Chain) -> None:
        for task in chain.tasks:
            key = (task.dag_id, task.label)
            if task.state and self._shown.get(key) != task.state:
                self._shown[key] = task.state
                seconds = task.seconds(datetime.now(UTC))
                took = f"  {seconds:.1f} s" if seconds and task.end else ""
                self.step(f"{task.dag_id}  {task.label}  {task.state}{took}")


class Board:
    """For a terminal: every DAG with its tasks, redrawn in place."""

    def __init__(self, live: Live, started: datetime) -> None:
        self._live = live
        self._started = started

    def step(self, text: str) -> None:
        self._live.update(Text(f"{self._elapsed()}  {text}", style="dim"))

    def show(self, chain: Chain) -> None:
        self._live.update(self._table(chain))

    def _elapsed(self) -> str:
        seconds = int((datetime.now(UTC) - self._started).total_seconds())
        return f"{seconds // 60}:{seconds % 60:02d}"

    def _table(self, chain: Chain) -> Table:
        table = Table(title=f"The main job, {self._elapsed()}", title_justify="left", min_width=64)
        table.add_column("DAG")
        table.add_column("task")
        table.add_column("state")
        table.add_column("seconds", justify="right")
        now = datetime.now(UTC)
        for stage in chain.stages:
            if not stage.tasks:
                table.add_row(Text(stage.dag_id, "dim"), "", Text("waits", "dim"), "")
            for number, task in enumerate(stage.tasks):
                state = task.state or "waits"
                seconds = task.seconds(now)
                again = f" (try {task.try_number})" if task.try_number > 1 else ""
                table.add_row(
                    stage.dag_id if number == 0 else "",
                    Text(task.label),
                    Text(state + again, STYLES.get(state, "dim")),
                    f"{seconds:.0f}" if seconds is not None else "",
                )
            table.add_section()
        return table


@contextmanager
def view_on(console: Console, started: datetime) -> Iterator[View]:
    """The view that suits ``console``."""
    if not console.is_terminal:
        yield Lines(console, started)
        return
    with Live(console=console, refresh_per_second=REFRESHES_PER_SECOND) as live:
        yield Board(live, started)
