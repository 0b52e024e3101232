"""Tracking the chain of DAGs and showing its progress."""

import io
import json
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.live import Live

from penchant.errors import PenchantError
from penchant.platform import chain as chain_module
from penchant.platform.chain import CHAIN, PLANS, Chain, Families, Stage, busy_seconds, idle_share
from penchant.platform.demo import Ended, Unfinished, ended_by_signals
from penchant.platform.progress import SHARES, Progress
from penchant.platform.rest import Run, Task
from penchant.platform.tasklog import causes, skip_reason
from penchant.platform.view import Board, view_on

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def task(
    dag_id: str, start: float, end: float | None, state: str = "success", label: str = "t"
) -> Task:
    ended = None if end is None else at(end)
    return Task(dag_id, "r", label, -1, label, state, 1, at(start), ended)


class FakeAirflow:
    """Responses of Airflow: each DAG's run appears when the previous one has succeeded."""

    def __init__(self, failing: str | None = None, missing: str | None = None) -> None:
        self.failing = failing
        self.missing = missing
        self.begun: set[str] = set()

    def trigger(self, dag_id: str, run_id: str) -> Run:
        return Run(dag_id, "r", "queued")

    def newest_runs(self, dag_id: str) -> list[Run]:
        """Without the new run when the chain starts; a run of another day is older."""
        older = [Run(dag_id, "yesterday", "success")]
        if dag_id not in self.begun or dag_id == self.missing:
            self.begun.add(dag_id)
            return older
        return [Run(dag_id, "r", "queued"), *older]

    def run(self, run: Run) -> Run:
        state = "failed" if run.dag_id == self.failing else "success"
        return Run(run.dag_id, run.run_id, state)

    def tasks(self, run: Run) -> list[Task]:
        state = "failed" if run.dag_id == self.failing else "success"
        return [task(run.dag_id, 0, 1, state)]

    def returned(self, run: Run, task_id: str) -> list[list[str]]:
        planned = {"plan_first": ["popularity"], "plan": ["item_cf", "ease", "ncf"]}
        return [["train", "--family", name] for name in planned.get(task_id, ())]


def test_chain_is_tracked_to_its_end() -> None:
    chain = Chain(FakeAirflow())  # type: ignore[arg-type]
    chain.poll()
    assert chain.done and not chain.broken
    assert [found.dag_id for found in chain.tasks] == list(CHAIN)
    assert {run.run_id for run in chain.runs} == {"r"}


def test_failed_run_ends_the_chain() -> None:
    chain = Chain(FakeAirflow(failing="build_snapshot"))  # type: ignore[arg-type]
    chain.poll()
    assert chain.broken and not chain.done
    assert [found.dag_id for found in chain.failed] == ["build_snapshot"]


def test_missing_triggered_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "NEXT_RUN_SECONDS", -1.0)
    chain = Chain(FakeAirflow(missing="train_families"))  # type: ignore[arg-type]
    with pytest.raises(PenchantError, match="train_families has not started"):
        chain.poll()


def test_setting_the_clock_does_not_end_the_wait_for_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Tomorrow(datetime):
        @classmethod
        def now(cls, zone: tzinfo | None = None) -> datetime:
            return datetime.now(zone) + timedelta(days=1)

    chain = Chain(FakeAirflow(missing="train_families"))  # type: ignore[arg-type]
    monkeypatch.setattr(chain_module, "datetime", Tomorrow)
    chain.poll()
    assert not chain.broken and not chain.done


def test_idle_share_counts_overlaps_once() -> None:
    tasks = [task("a", 10, 30), task("b", 20, 40), task("c", 60, 80), task("d", 61, 62)]
    assert busy_seconds(tasks, at(0), at(100)) == 50
    assert idle_share(tasks, at(0), at(100)) == pytest.approx(0.5)
    assert idle_share([task("e", 90, None)], at(0), at(100)) == pytest.approx(0.9)


def test_without_a_terminal_each_change_is_a_line() -> None:
    chain = Chain(FakeAirflow())  # type: ignore[arg-type]
    chain.poll()
    console = Console(file=io.StringIO(), width=200)
    with view_on(console, NOON) as view:
        view.show(chain)
        view.show(chain)
    *lines, stage = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "stage 5 of 5, publish_vectors" in stage
    assert len(lines) == len(CHAIN)
    assert all("success  1.0 s" in line for line in lines)


class FakeMapped(FakeAirflow):
    def tasks(self, run: Run) -> list[Task]:
        return [task(run.dag_id, 0, 1, label="train[sasrec]")]


def test_name_of_a_mapped_task_is_not_parsed_as_markup() -> None:
    chain = Chain(FakeMapped())  # type: ignore[arg-type]
    chain.poll()
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with view_on(console, NOON) as view:
        view.show(chain)
    assert "train[sasrec]" in console.file.getvalue()  # type: ignore[attr-defined]


def family(task_id: str, number: int, start: float | None, end: float | None, state: str) -> Task:
    """A mapped task as Airflow shows it before it runs: without the name of its family."""
    began, ended = (None if time is None else at(time) for time in (start, end))
    label = f"{task_id}[{number}]"
    return Task("train_families", "r", task_id, number, label, state, 1, began, ended)


TRAINED = [
    family("train_first", 0, 0, 10, "success"),
    family("train", 0, 10, 20, "failed"),
    family("train", 1, 20, None, "running"),
    family("train", 2, None, None, "scheduled"),
]
PLANNED = [
    replace(task("train_families", 0, 1), task_id=name, label=name) for name in PLANS.values()
]


def test_stage_and_time_left_of_the_main_job() -> None:
    assert set(SHARES) == set(CHAIN) and sum(SHARES.values()) == pytest.approx(1)
    done, waiting = Run("", "r", "success"), Run("", "r", "running")
    stages = [Stage(dag_id, done) for dag_id in CHAIN]
    stages[1:] = [Stage(dag_id) for dag_id in CHAIN[1:]]
    assert str(Progress.of_stages(stages, NOON, at(5))) == "stage 2 of 5, build_snapshot"
    stages[:4] = [Stage(dag_id, done) for dag_id in CHAIN[:4]]
    stages[3] = Stage("train_families", waiting, TRAINED[:2] + TRAINED[3:])
    progress = Progress.of_stages(stages, NOON, at(120))
    assert str(progress) == "stage 4 of 5, train_families; about 1 min left"
    assert progress.seconds_left == pytest.approx(120 / (0.16 + 0.76 * 2 / 3) - 120)


def test_progress_of_training_and_time_left() -> None:
    def progress(tasks: list[Task], **mapped: list[str]) -> str:
        stage = Stage("train_families", None, tasks, mapped)
        return str(Families.of_stage(stage, at(25)))

    assert progress(TRAINED[3:]) == "None"
    assert progress(TRAINED) == "2 of 4 families, about 15 s left"
    assert progress(TRAINED[:2]) == "2 of 2 families"
    assert progress(TRAINED[:2], train_first=["a"], train=["b", "c", "d"]).startswith("2 of 4")


LONGEST = {
    "success": ("latest", "publish_first"),
    "running": ("combine_lambdamart",),
    "scheduled": ("combine_fusion", "select_models", "track"),
}
"""Tasks of ``train_families`` beside families, when the table has the most rows."""


class FakeTraining(FakeAirflow):
    def tasks(self, run: Run) -> list[Task]:
        return [*PLANNED, *TRAINED] if run.dag_id == "train_families" else super().tasks(run)


@pytest.mark.parametrize("terminal", [True, False])
def test_waiting_families_are_counted_but_not_listed(terminal: bool) -> None:
    chain = Chain(FakeTraining())  # type: ignore[arg-type]
    chain.poll()
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal)
    with view_on(console, NOON) as view:
        view.show(chain)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "2 of 4 families" in shown and "left" in shown
    assert "train[item_cf]" in shown and "train[ease]" in shown
    assert "train[ncf]" not in shown
    assert ("train_first[popularity]" in shown) is not terminal


def test_terminal_shows_every_dag_and_task() -> None:
    chain = Chain(FakeAirflow(failing="build_snapshot"))  # type: ignore[arg-type]
    chain.poll()
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with view_on(console, NOON) as view:
        view.show(chain)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(dag_id in shown for dag_id in CHAIN)
    assert "failed" in shown and "waiting" in shown


@pytest.mark.parametrize("terminal", [True, False])
def test_note_about_the_first_release_is_shown(terminal: bool) -> None:
    chain = Chain(FakeAirflow())  # type: ignore[arg-type]
    chain.poll()
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal)
    with view_on(console, NOON) as view:
        view.note("A first release is live: http://127.0.0.1:6570/console/")
        view.show(chain)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "A first release is live: http://127.0.0.1:6570/console/" in shown


def test_addresses_below_the_table_fit_on_a_terminal_of_24_lines() -> None:
    chain = Chain(FakeTraining())  # type: ignore[arg-type]
    chain.poll()
    names = (*LONGEST["success"], *LONGEST["running"], *LONGEST["scheduled"])
    states = [state for state, tasks in LONGEST.items() for _ in tasks]
    chain.stages[3].tasks += [
        replace(task("train_families", 0, 1, state, name), task_id=name)
        for name, state in zip(names, states, strict=True)
    ]
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    with Live(console=console, auto_refresh=False) as live:
        board = Board(live, NOON)
        board.note("Airflow shows the tasks and their logs: http://127.0.0.1:8080")
        board.note(f"A first release is live: {'a link of 90 characters':>90}")
        board.show(chain)
        shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(dag_id in shown for dag_id in CHAIN)
    assert "http://127.0.0.1:8080" in shown and "a link of 90 characters" in shown


def test_chain_has_a_first_release_once_it_is_published() -> None:
    chain = Chain(FakeAirflow())  # type: ignore[arg-type]
    published = task("train_families", 0, 1, label="publish_first")
    published = replace(published, task_id="publish_first")
    for state, expected in (("running", False), ("skipped", False), ("success", True)):
        chain.stages[3].tasks = [replace(published, state=state)]
        assert chain.has_first_release is expected


def test_cause_is_read_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "attempt=1.log"
    entries = [
        {"event": "running"},
        {
            "event": "Task failed with exception",
            "error_detail": [
                {"exc_type": "AirflowFailException", "exc_value": "duplicates\n  fix"}
            ],
        },
        {"event": "::endgroup::"},
    ]
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert causes(log) == ["AirflowFailException: duplicates", "  fix"]
    log.write_text(json.dumps({"event": "running"}) + "\n")
    assert causes(log) == ["running"]
    assert "no log" in causes(tmp_path / "absent.log")[0]


def test_reason_of_a_skipped_task_is_read_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "attempt=1.log"
    assert skip_reason(log) is None
    reason = "penchant train: over budget; not retried. error: 300 s\n  what to do: raise it"
    log.write_text(json.dumps({"event": "Skipping task.", "reason": reason}) + "\n")
    assert skip_reason(log) == "penchant train: over budget; not retried. error: 300 s"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_demo_like_ctrl_c(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Ended), ended_by_signals():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_next_demo_fails_the_runs_of_a_killed_one_only(tmp_path: Path) -> None:
    ended: list[str] = []
    airflow = SimpleNamespace(
        fail_run=lambda dag_id, run_id: ended.append(f"{dag_id} {run_id}"),
        drop_queued_events=lambda dag_id: None,
    )
    path = tmp_path / "unfinished.json"
    Unfinished(path).end(airflow)  # type: ignore[arg-type]
    assert ended == []
    killed = Unfinished(path)
    killed.record([Run("ingest_landing", "r1", "running")])
    Unfinished(path).end(airflow)  # type: ignore[arg-type]
    assert ended == ["ingest_landing r1"]
    killed.clear()
    assert not path.exists()
