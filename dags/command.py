"""The operator behind every task: one subcommand of ``penchant`` in its own process.

The command line in the task's *Rendered Templates* can be run by hand.
"""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from penchant.errors import BudgetExceeded, DataError, NothingToDo, PrivacyRefused, UsageError
from penchant.platform.processes import die_with_parent

GRACE_SECONDS = 3.0
CAUSE_LINES = 12
ENDINGS = ("error: ", "nothing to do: ")  # of a subcommand (penchant/cli.py)

PENCHANT: Sequence[str] = (str(Path(sys.executable).with_name("penchant")),)
"""The command installed beside the interpreter that runs the task."""


class CommandFailed(AirflowException):
    """A subcommand exited with a status that is worth a retry."""


class CommandKilled(AirflowException):
    """A signal ended a subcommand; usually sent by the kernel when memory runs out."""


class Command(BaseOperator):
    """Run ``penchant SUBCOMMAND`` and return the JSON object of its last output line.

    Lines of its stdout and stderr go to the task's log. The process runs in its own session, which
    is ended as a whole when the task is killed or times out, and by the kernel when the process of
    the task disappears.

    Args:
        subcommand: arguments of ``penchant``. An empty argument is dropped, with the option before
            it if there is one.
        event: ``extra`` of the asset events of the outlets.
        event_from_result: fields of the result to add to ``extra``.
        output_field: field of the result to return instead of the whole. Airflow maps tasks over
            lists only.
    """

    template_fields: Sequence[str] = ("subcommand", "event")
    ui_color = "#e8f0e4"

    def __init__(
        self,
        *,
        subcommand: list[str],
        event: dict[str, str] | None = None,
        event_from_result: Sequence[str] = (),
        output_field: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.subcommand = subcommand
        self.event = event or {}
        self.event_from_result = event_from_result
        self.output_field = output_field
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> Any:
        result = self._run([*PENCHANT, *without_empty_options(self.subcommand), "--json"])
        extra = self.event | {name: result[name] for name in self.event_from_result}
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = extra
        return result if self.output_field is None else result[self.output_field]

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
        last_stderr: deque[str] = deque(maxlen=CAUSE_LINES)
        last_stdout: deque[str] = deque(maxlen=CAUSE_LINES)
        stdout_thread = Thread(
            target=self._log_lines, args=(process.stdout, last_stdout), daemon=True
        )
        stdout_thread.start()
        try:
            self._log_lines(process.stderr, last_stderr)
            stdout_thread.join()
            status = process.wait()
        finally:
            end_session(process)
        if status != 0:
            raise failure(self.subcommand[0], status, cause_of(last_stderr))
        return last_object(self.subcommand[0], last_stdout)

    def _log_lines(self, stream: Any, last: deque[str]) -> None:
        """Write each line to the task's log; a JSON event keeps its level and fields."""
        for line in nonempty_lines(stream):
            last.append(line)
            event = event_of(line)
            if event is None:
                self.log.info(line)
            else:
                level = event.pop("level", "info")
                message = event.pop("event")
                event.pop("timestamp", None)
                getattr(self.log, level, self.log.info)(message, **event)


def without_empty_options(subcommand: Sequence[str]) -> list[str]:
    """Drop ``--option ''`` and ``''``, rendered templates of options without a value."""
    kept: list[str] = []
    for argument in subcommand:
        if argument:
            kept.append(argument)
        elif kept and kept[-1].startswith("--"):
            kept.pop()
    return kept


def end_session(process: subprocess.Popen[str]) -> None:
    """End a subcommand and its descendants. Does nothing when all have ended."""
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


def cause_of(last_stderr: Sequence[str]) -> str:
    """What the subcommand ended with and what follows it, or else the last line of stderr."""
    lines = list(last_stderr)
    starts = [number for number, line in enumerate(lines) if line.startswith(ENDINGS)]
    return "\n".join(lines[starts[-1] :]) if starts else (lines or ["no output"])[-1]


def failure(subcommand: str, status: int, cause: str) -> AirflowException:
    """The exception for an exit status: a final failure, a skip or a retry."""
    if status == DataError.exit_code:
        return AirflowFailException(
            f"penchant {subcommand}: data rejected; exited with status {status}; not retried. "
            f"{cause}"
        )
    if status == UsageError.exit_code:
        return AirflowFailException(
            f"penchant {subcommand}: invalid arguments; exited with status {status}; not retried. "
            f"{cause}"
        )
    if status == NothingToDo.exit_code:
        return AirflowSkipException(f"penchant {subcommand}: {cause}")
    if status == BudgetExceeded.exit_code:
        return AirflowSkipException(f"penchant {subcommand}: over budget; not retried. {cause}")
    if status == PrivacyRefused.exit_code:
        return AirflowSkipException(
            f"penchant {subcommand}: refused by the privacy budget; not retried. {cause}"
        )
    if status < 0:
        return CommandKilled(
            f"penchant {subcommand}: killed by {signal.Signals(-status).name}. {cause}"
        )
    return CommandFailed(f"penchant {subcommand}: exited with status {status}. {cause}")


def last_object(subcommand: str, last_stdout: Sequence[str]) -> dict[str, Any]:
    """Parse the JSON object of the last line. A successful subcommand without one has a bug."""
    try:
        result = json.loads(last_stdout[-1])
    except (IndexError, ValueError) as error:
        raise CommandFailed(
            f"penchant {subcommand}: exited with status 0, but its last line is not a JSON object"
        ) from error
    return result
