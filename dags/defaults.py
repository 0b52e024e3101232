"""What every DAG here has in common: owner, tags, retries, pools, and how a task runs a subcommand.

A task is one subcommand of the ``penchant`` command in a process of its own: the same line that the
task's *Rendered Templates* shows can be run by hand.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

from airflow.sdk import BaseOperator, Context, ExceptionRetryPolicy, Param, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

OWNER = "platform"
TAGS = ["penchant"]

DUCKDB_POOL = "duckdb"
GPU_POOL = "gpu"
POOLS = {
    DUCKDB_POOL: (1, "dbt build is the one writer of the DuckDB file"),
    GPU_POOL: (1, "one training at a time for each accelerator: it may take all of its memory"),
}
"""Slots and their reason. Without an accelerator, cores are shared: PENCHANT_TRAININGS_AT_ONCE."""
GPU_QUEUE = "gpu"
"""Celery workers beside a GPU listen to it; LocalExecutor has no queues and ignores it."""

DATA_REFUSED = 65
WRONG_USAGE = 64
NOTHING_TO_DO = 66
GRACE_SECONDS = 3.0
CAUSE_LINES = 12

COMMAND: Sequence[str] = (str(Path(sys.executable).with_name("penchant")),)
"""The installed command, beside the interpreter that runs the task."""


class CommandFailed(AirflowException):
    """A subcommand ended with a status that is worth another try."""


class CommandKilled(AirflowException):
    """A signal that nobody here sent ended a subcommand: most often the kernel, out of memory."""


RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=CommandKilled,
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=60),
            reason="ended by a signal, most often for want of memory: wait until others are done",
        ),
        RetryRule(
            exception=CommandFailed,
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=10),
            reason="subcommands are idempotent and go on from what is done: try again",
        ),
    ],
)
"""Refused data and wrong usage never come here: AirflowFailException ends the task at once."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_policy": RETRY_POLICY,
    "execution_timeout": timedelta(minutes=30),
}


def snapshot_id(
    triggering_asset_events: Mapping[Any, Sequence[Any]], params: Mapping[str, Any]
) -> str:
    """The snapshot a run is about: of the newest event that started it, or its parameter.

    Raises AirflowFailException for a run started by hand without the parameter.
    """
    events = [event for of_asset in triggering_asset_events.values() for event in of_asset]
    if events:
        return max(events, key=lambda event: event.timestamp).extra["snapshot_id"]
    if given := params.get("snapshot_id"):
        return given
    raise AirflowFailException(
        "this run knows no snapshot: no asset event started it. "
        'What to do: trigger it with {"snapshot_id": "s-..."}, as `penchant status` prints it.'
    )


SNAPSHOT_ID = "{{ snapshot_id(triggering_asset_events, params) }}"
OF_A_SNAPSHOT: dict[str, Any] = {
    "params": {
        "snapshot_id": Param(None, type=["null", "string"], description="for a run by hand")
    },
    "user_defined_macros": {"snapshot_id": snapshot_id},
}
"""Arguments of a DAG whose tasks take ``SNAPSHOT_ID``."""


class Command(BaseOperator):
    """Run one subcommand of ``penchant``, its lines in the task's log; return what its last line says.

    ``subcommand`` is the command line after ``penchant``; an empty argument is left out together with
    the option before it. ``event`` becomes the ``extra`` of the outlets' asset events, and so do
    the fields of the result named in ``event_from_result``.

    The process is a session of its own: it is ended as a whole when the task is killed or times
    out, and by the kernel when the task's process vanishes.
    """

    template_fields: Sequence[str] = ("subcommand", "event")
    ui_color = "#e8f0e4"

    def __init__(
        self,
        *,
        subcommand: list[str],
        event: dict[str, str] | None = None,
        event_from_result: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.subcommand = subcommand
        self.event = event or {}
        self.event_from_result = event_from_result
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        result = self._run([*COMMAND, *without_empty_options(self.subcommand), "--json"])
        extra = self.event | {name: result[name] for name in self.event_from_result}
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = extra
        return result

    def on_kill(self) -> None:
        if self._process is not None:
            end_session(self._process)

    def _run(self, command: list[str]) -> dict[str, Any]:
        self.log.info("running", command=" ".join(command))
        self._process = process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        said: deque[str] = deque(maxlen=CAUSE_LINES)
        answered: deque[str] = deque(maxlen=CAUSE_LINES)
        reader = Thread(target=self._log_lines, args=(process.stdout, answered), daemon=True)
        reader.start()
        try:
            self._log_lines(process.stderr, said)
            reader.join()
            status = process.wait()
        finally:
            end_session(process)
        if status != 0:
            raise failure(self.subcommand[0], status, cause_of(said))
        return last_object(self.subcommand[0], answered)

    def _log_lines(self, stream: Any, kept: deque[str]) -> None:
        """Send each line to the task's log as it comes: a JSON event with its level and fields."""
        for line in nonempty_lines(stream):
            kept.append(line)
            event = event_of(line)
            if event is None:
                self.log.info(line)
            else:
                level = event.pop("level", "info")
                message = event.pop("event")
                event.pop("timestamp", None)
                getattr(self.log, level, self.log.info)(message, **event)


def without_empty_options(subcommand: Sequence[str]) -> list[str]:
    """Leave out ``--option ''``: the template of an option that isn't given renders to nothing."""
    kept: list[str] = []
    for argument in subcommand:
        if argument == "" and kept and kept[-1].startswith("--"):
            kept.pop()
        else:
            kept.append(argument)
    return kept


def die_with_parent() -> None:
    """Ask the Linux kernel to kill this process when the one that started it ends."""
    pr_set_pdeathsig = 1
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def end_session(process: subprocess.Popen[str]) -> None:
    """End a subcommand and whatever it started; does nothing when all of it has ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)


def nonempty_lines(stream: Any) -> Iterator[str]:
    return (line.rstrip() for line in stream if line.strip())


def event_of(line: str) -> dict[str, Any] | None:
    """The fields of a structured log line, or None for plain text."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if "event" in event else None


def cause_of(said: Sequence[str]) -> str:
    """The subcommand's own words for why it failed: from its ``error:`` line on, or its last line."""
    lines = list(said)
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    return "\n".join(lines[starts[-1] :]) if starts else (lines or ["it said nothing"])[-1]


def failure(subcommand: str, status: int, cause: str) -> AirflowException:
    """The exception for an exit status: refused data and wrong usage are final, nothing to do is
    skipped."""
    if status == DATA_REFUSED:
        return AirflowFailException(f"penchant {subcommand} refused the data; not retried. {cause}")
    if status == WRONG_USAGE:
        return AirflowFailException(
            f"penchant {subcommand} was called wrongly; not retried. {cause}"
        )
    if status == NOTHING_TO_DO:
        return AirflowSkipException(f"penchant {subcommand} has nothing to do. {cause}")
    if status < 0:
        return CommandKilled(
            f"penchant {subcommand} was ended by {signal.Signals(-status).name}. {cause}"
        )
    return CommandFailed(f"penchant {subcommand} ended with status {status}. {cause}")


def last_object(subcommand: str, answered: Sequence[str]) -> dict[str, Any]:
    """The JSON object of the subcommand's last line: a subcommand that ends well without one has a defect."""
    try:
        result = json.loads(answered[-1])
    except (IndexError, ValueError) as error:
        raise CommandFailed(
            f"penchant {subcommand} ended well, but its last line is no JSON object"
        ) from error
    return result
