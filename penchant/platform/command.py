"""Commands of Airflow in the environment of the platform's Airflow."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from penchant.errors import NothingToDo, PenchantError, UsageError
from penchant.platform.airflow import airflow_environment
from penchant.platform.postgres import accepts_connections, connection_string
from penchant.platform.services import common_environment
from penchant.settings import Settings


def run_airflow(settings: Settings, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by Airflow's command. Raises UsageError if its database is down."""
    if not accepts_connections(connection_string(settings, "postgres")):
        raise UsageError(
            f"the platform in {settings.home} is not up, and its Airflow has no other database",
            "run `make up` first, or check PENCHANT_HOME",
        )
    environment = common_environment(settings) | airflow_environment(settings)
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *arguments], environment)


def clean_airflow(settings: Settings) -> None:
    """Run ``airflow db clean``. Raises NothingToDo if this Airflow has another database."""
    if not accepts_connections(connection_string(settings, "postgres")):
        raise NothingToDo(
            "the platform's database is not up",
            "where Airflow has its own database, schedule `airflow db clean` beside it",
        )
    before = (datetime.now(UTC) - timedelta(days=settings.airflow_days)).isoformat()
    clean = ("db", "clean", "--clean-before-timestamp", before, "--yes", "--skip-archive")
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *clean],
        env=common_environment(settings) | airflow_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-8:])
        raise PenchantError(
            f"`airflow db clean` exited with status {done.returncode}: {last}",
            "fix the cause and run `penchant clean-airflow` again",
        )
