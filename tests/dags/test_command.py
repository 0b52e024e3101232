"""The operator that runs a subcommand: exit statuses, causes, asset events, process cleanup."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    DownstreamTasksSkipped,
)
from patience import PATIENCE

from dags import command
from dags.alerts import options
from dags.assets import SNAPSHOT
from dags.command import Command, CommandFailed, CommandKilled, without_empty_options
from dags.wakeups import Latest, Wake


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake ``penchant`` command; the test writes its code."""
    path = tmp_path / "penchant.py"
    monkeypatch.setattr(command, "PENCHANT", (sys.executable, str(path)))
    return path


def run(
    subcommand: list[str], **arguments: Any
) -> tuple[dict[str, Any], dict[Any, SimpleNamespace]]:
    """Execute a subcommand outside Airflow; returns its result and its asset events."""
    events: dict[Any, SimpleNamespace] = {SNAPSHOT: SimpleNamespace(extra={})}
    task = Command(task_id=subcommand[0], subcommand=subcommand, **arguments)
    return task.execute({"outlet_events": events}), events  # type: ignore[typeddict-item]


def test_returns_the_last_line_and_sets_the_asset_event(script: Path) -> None:
    script.write_text(
        "import sys; print('done'); print('{\"argv\": \"%s\"}' % ' '.join(sys.argv[1:]))"
    )
    result, events = run(
        ["check", "--snapshot", "s-1"],
        outlets=[SNAPSHOT],
        event={"snapshot_id": "s-1"},
        event_from_result=["argv"],
    )
    assert result == {"argv": "check --snapshot s-1 --json"}
    assert events[SNAPSHOT].extra == {"snapshot_id": "s-1", "argv": "check --snapshot s-1 --json"}


def test_returns_one_field_of_the_result_for_mapping(script: Path) -> None:
    script.write_text('print(\'{"subcommands": [["train"]], "snapshot_id": "s-1"}\')')
    result, _ = run(["plan-training"], output_field="subcommands")
    assert result == [["train"]]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (65, AirflowFailException),
        (64, AirflowFailException),
        (66, AirflowSkipException),
        (69, AirflowSkipException),
        (77, AirflowSkipException),
        (1, CommandFailed),
        (70, CommandFailed),
    ],
)
def test_exit_status_decides_the_exception(
    script: Path, status: int, expected: type[Exception]
) -> None:
    script.write_text(
        "import sys; print('error: 3 duplicate keys\\n  what to do: remove them', file=sys.stderr);"
        f"sys.exit({status})"
    )
    with pytest.raises(expected) as raised:
        run(["check"])
    assert type(raised.value) is expected
    assert "error: 3 duplicate keys\n  what to do: remove them" in str(raised.value)


def test_a_skip_says_why_and_calls_nothing_an_error(script: Path) -> None:
    script.write_text(
        "import sys; print('nothing to do: no new file\\n  what to do: wait', file=sys.stderr);"
        "sys.exit(66)"
    )
    with pytest.raises(AirflowSkipException) as raised:
        run(["ingest"])
    assert str(raised.value) == "penchant ingest: nothing to do: no new file\n  what to do: wait"


def test_external_signal_raises_command_killed(script: Path) -> None:
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(CommandKilled, match="killed by SIGKILL"):
        run(["train"])


def test_traceback_is_reduced_to_its_last_line(script: Path) -> None:
    script.write_text("raise RuntimeError('disk is full')")
    with pytest.raises(CommandFailed, match="RuntimeError: disk is full"):
        run(["build"])


def test_success_without_a_result_is_a_failure(script: Path) -> None:
    script.write_text("print('done')")
    with pytest.raises(CommandFailed, match="not a JSON object"):
        run(["build"])


def test_killed_task_leaves_no_process(script: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script.write_text(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(60)"
    )
    task = Command(task_id="train", subcommand=["train"])
    failures: list[Exception] = []

    def execute() -> None:
        try:
            task._run([*command.PENCHANT])
        except CommandKilled as error:
            failures.append(error)

    thread = threading.Thread(target=execute)
    thread.start()
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    task.on_kill()
    thread.join(PATIENCE)
    assert len(failures) == 1
    wait_for(lambda: all(gone(int(pid)) for pid in pids.read_text().split()))


def test_subcommand_ends_with_its_parent(script: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script.write_text(
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    runner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, subprocess; from penchant.platform.processes import die_with_parent;"
            f"command = [sys.executable, {str(script)!r}];"
            "subprocess.Popen(command, preexec_fn=die_with_parent).wait()",
        ],
        env={**os.environ, "PYTHONPATH": str(Path(command.__file__).parents[1])},
    )
    wait_for(lambda: pid_file.exists() and pid_file.read_text() != "")
    runner.kill()
    runner.wait()
    wait_for(lambda: gone(int(pid_file.read_text())))


def test_log_lines_keep_their_level_and_fields(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"event": "batch", "level": "warning", "rows": 3, "timestamp": "now"}
    script.write_text(f"import sys; print({json.dumps(event)!r}, file=sys.stderr); print('{{}}')")
    logged: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    task = Command(task_id="ingest", subcommand=["ingest"])
    recorder = SimpleNamespace(
        info=lambda *message, **fields: logged.append(("info", message, fields)),
        warning=lambda *message, **fields: logged.append(("warning", message, fields)),
    )
    monkeypatch.setattr(Command, "log", recorder)
    task._run([*command.PENCHANT])
    assert ("warning", ("batch",), {"rows": 3}) in logged


def test_option_with_an_empty_template_is_dropped() -> None:
    assert without_empty_options(["ingest", "--date", ""]) == ["ingest"]
    assert without_empty_options(["resolve", "", "--dag", "a"]) == ["resolve", "--dag", "a"]
    assert without_empty_options(["ingest", "--date", "2011-03-01"]) == [
        "ingest",
        "--date",
        "2011-03-01",
    ]


def test_done_stage_skips_every_later_task(script: Path) -> None:
    script.write_text("import sys; sys.exit(66)")
    with DAG(dag_id="train_families"):
        latest = Latest(dag_id="train_families")
        plan = Command(task_id="plan", subcommand=["plan-training"])
        select = Command(task_id="select", subcommand=["select-models"], trigger_rule="all_done")
        latest >> plan >> select
    with pytest.raises(DownstreamTasksSkipped) as raised:
        latest.execute({})  # type: ignore[typeddict-item]
    assert raised.value.tasks == ["plan", "select"]


def test_running_dag_is_not_woken(script: Path) -> None:
    script.write_text("print('{}')")
    wake = Wake(task_id="wake", wakes="train_families")
    for runs, woken in ((0, True), (1, False)):
        ti = SimpleNamespace(get_dr_count=lambda dag_id, states, runs=runs: runs)
        try:
            wake.execute({"ti": ti})  # type: ignore[typeddict-item]
            assert woken
        except AirflowSkipException:
            assert not woken


def test_failed_task_names_owner_tier_and_runbook() -> None:
    with DAG(dag_id="build_snapshot", tags=["penchant", "tier-1"]) as dag:
        task = Command(task_id="build", subcommand=["build"], owner="data")
    context = {"dag": dag, "task": task, "run_id": "r", "exception": RuntimeError("disk is full")}
    found = dict(zip(*[iter(options(context))] * 2, strict=True))
    assert found["--kind"] == "task-failed"
    assert found["--text"] == "build_snapshot.build in run r: disk is full"
    assert (found["--owner"], found["--tier"]) == ("data", "tier-1")
    assert found["--runbook"].endswith("/dags/build_snapshot")
    rejected = context | {"exception": RuntimeError("penchant check: data rejected; 3 rows")}
    assert "data-rejected" in options(rejected)


def wait_for(condition: Any, seconds: float = PATIENCE) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
