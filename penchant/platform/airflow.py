"""Airflow for one machine: its configuration, as environment variables, and its database."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from importlib.metadata import version
from pathlib import Path

from penchant.errors import PenchantError
from penchant.platform.processes import die_with_parent, mark
from penchant.settings import PROJECT_ROOT, Settings
from penchant.storage import write_atomic, write_json

PARALLEL_TASKS = 2  # minimum: a family trains beside another stage or another family
NOTE = "# Ignored: all options are set in penchant/platform/airflow.py.\n"


def airflow_home(settings: Settings) -> Path:
    return settings.home.resolve() / "airflow"


def database(settings: Settings) -> Path:
    return airflow_home(settings) / "airflow.db"


def airflow_environment(settings: Settings) -> dict[str, str]:
    """``AIRFLOW__*`` variables: LocalExecutor on SQLite, reachable from this machine only.

    All users of the UI are administrators, so it listens on 127.0.0.1 only; docker-compose.yml has
    the production setup. With these intervals a task starts about a second after its trigger;
    Airflow's defaults reduce the load on the database instead.
    """
    home = airflow_home(settings)
    url = f"http://127.0.0.1:{settings.airflow_port}"
    keys = secret_keys(settings)
    options: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": PROJECT_ROOT / "dags",
            "executor": "LocalExecutor",
            "parallelism": max(PARALLEL_TASKS, settings.trainings_at_once),
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "simple_auth_manager_all_admins": True,
            "fernet_key": keys["fernet_key"],
            "execution_api_server_url": f"{url}/execution/",
        },
        "api": {
            "host": "127.0.0.1",
            "port": settings.airflow_port,
            "base_url": url,
            "workers": 1,
            "secret_key": keys["api_secret"],
        },
        "api_auth": {"jwt_secret": keys["jwt_secret"]},
        "database": {"sql_alchemy_conn": f"sqlite:///{database(settings)}"},
        "scheduler": {"scheduler_idle_sleep_time": 0.3},
        "dag_processor": {
            # the files change rarely; parsing them takes two CPU seconds
            "min_file_process_interval": 60,
            "stale_dag_threshold": 180,
        },
        # two busy cores answer late, which must not fail a task
        "workers": {"execution_api_timeout": 30},
        "logging": {
            "base_log_folder": home / "logs",
            "dag_processor_child_process_log_directory": home / "logs" / "dag_processor",
        },
        "usage_data_collection": {"enabled": False},
    }
    return {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(
            part for part in (str(PROJECT_ROOT), os.environ.get("PYTHONPATH")) if part
        ),
        **{
            f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
            for section, values in options.items()
            for name, value in values.items()
        },
    }


def secret_keys(settings: Settings) -> dict[str, str]:
    """Secrets of Airflow's processes, generated once per home, readable by the owner only."""
    path = airflow_home(settings) / "keys.json"
    if not path.exists():
        keys = {
            "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "jwt_secret": secrets.token_urlsafe(64),
            "api_secret": secrets.token_urlsafe(32),
        }
        previous = os.umask(0o077)
        try:
            write_json(path, keys)
        finally:
            os.umask(previous)
    return json.loads(path.read_text())


def migrate(settings: Settings) -> bool:
    """Make the metadata database, or bring it to this Airflow's schema; True if anything was done.

    It is made beside the final path and renamed, so that a kill midway leaves the old one, or none.
    """
    home = airflow_home(settings)
    final = database(settings)
    stamp = home / "airflow.db.version"
    wanted = version("apache-airflow-core")
    if final.exists() and stamp.exists() and stamp.read_text() == wanted:
        return False
    home.mkdir(parents=True, exist_ok=True)
    write_atomic(home / "airflow.cfg", NOTE)
    fresh = home / "airflow.db.migrating"
    for leftover in home.glob(f"{fresh.name}*"):
        leftover.unlink()
    if final.exists():
        shutil.copy2(final, fresh)
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env={
            **os.environ,
            **mark(settings.home),
            **airflow_environment(settings),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{fresh}",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-8:])
        raise PenchantError(
            f"Airflow could not make its database {fresh}: {last}",
            f"see whether the disk is full; removing {final} starts afresh without past runs",
        )
    fresh.replace(final)
    write_atomic(stamp, wanted)
    return True
