"""Airflow for one machine: its configuration, as environment variables, and its database."""

import json
import os
import secrets
import subprocess
import sys
from base64 import urlsafe_b64encode
from importlib.metadata import version
from pathlib import Path

import psycopg

from penchant.errors import PenchantError
from penchant.platform.postgres import connection_string, data_folder
from penchant.platform.processes import die_with_parent, mark
from penchant.settings import PROJECT_ROOT, Settings
from penchant.storage import write_atomic, write_json

DATABASE, MIGRATING, PREVIOUS = "airflow", "airflow_migrating", "airflow_previous"
FOREIGN_PREFIX = "AIRFLOW_"
LOOPBACK = ("127.0.0.1", "localhost")
NOTE = "# Ignored: all options are set in penchant/platform/airflow.py.\n"


def airflow_home(settings: Settings) -> Path:
    return settings.home.resolve() / "airflow"


def sqlalchemy_url(settings: Settings, database: str = DATABASE) -> str:
    return connection_string(settings, database).replace("postgresql:", "postgresql+psycopg:", 1)


def airflow_environment(settings: Settings) -> dict[str, str]:
    """``AIRFLOW__*`` variables: LocalExecutor, reachable from this machine only.

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
            # the first release is published and feedback lands beside the training runs
            "parallelism": settings.trainings_at_once + 2,
            "load_examples": False,
            "dagbag_import_timeout": 500,
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
        # tasks keep their tokens when the clock is set
        "api_auth": {"jwt_secret": keys["jwt_secret"], "jwt_leeway": 600},
        "database": {
            "sql_alchemy_conn": sqlalchemy_url(settings),
            # psycopg is synchronous and asynchronous
            "sql_alchemy_conn_async": sqlalchemy_url(settings),
        },
        # the limits allow for a machine that takes ten times as long
        "scheduler": {
            # a loop takes 0.03 CPU seconds, which training could use
            "scheduler_idle_sleep_time": 0.7,
            "task_instance_heartbeat_timeout": 1200,
            "task_queued_timeout": 6000,
        },
        "dag_processor": {
            # parsing all files takes two CPU seconds; a changed one is parsed when it is listed
            "min_file_process_interval": 1200,
            "refresh_interval": 60,
            "stale_dag_threshold": 1800,
            "dag_file_processor_timeout": 600,
        },
        # two busy cores answer late, which must not fail a task
        "workers": {"execution_api_timeout": 30, "max_failed_heartbeats": 30},
        "logging": {
            "base_log_folder": home / "logs",
            "dag_processor_child_process_log_directory": home / "logs" / "dag_processor",
            # Airflow sets its own modes, whatever the umask is
            "file_task_handler_new_folder_permissions": "0o700",
            "file_task_handler_new_file_permissions": "0o600",
        },
    }
    if settings.otlp_endpoint is not None:
        options |= {"metrics": {"otel_on": True}, "traces": {"otel_on": True}}
    return {
        "AIRFLOW_HOME": str(home),
        **_collector(settings),
        "PYTHONPATH": os.pathsep.join(
            part for part in (str(PROJECT_ROOT), os.environ.get("PYTHONPATH")) if part
        ),
        **{
            f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
            for section, values in options.items()
            for name, value in values.items()
        },
    }


def _collector(settings: Settings) -> dict[str, str]:
    """OpenTelemetry's own variables, which Airflow reads the collector from."""
    if settings.otlp_endpoint is None:
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otlp_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "airflow",
    }


def inherited_environment() -> dict[str, str]:
    """The caller's environment without Airflow's variables; loopback is exempt from proxies.

    A SOCKS proxy is left out: with one, HTTPX can't create a client without another package.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN_PREFIX)
        and not (name.lower().endswith("_proxy") and value.lower().startswith("socks"))
    }
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(part for part in (os.environ.get(name), *LOOPBACK) if part)
    return kept


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
    """Create the metadata database, or upgrade it to the installed Airflow; True if it changed.

    Airflow migrates a copy that then replaces the database in one transaction, so that a kill
    leaves the previous database or none. The database's comment is the version of Airflow.
    """
    wanted = version("apache-airflow-core")
    with psycopg.connect(connection_string(settings, "postgres"), autocommit=True) as postgres:
        row = postgres.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = %s",
            [DATABASE],
        ).fetchone()
        if row is not None and row[0] == wanted:
            return False
        postgres.execute(f"drop database if exists {MIGRATING} with (force)")
        template = f" template {DATABASE}" if row else ""
        postgres.execute(f"create database {MIGRATING}{template}")
        run_migration(settings)
        postgres.execute(f"drop database if exists {PREVIOUS} with (force)")
        with postgres.transaction():
            if row:
                postgres.execute(f"alter database {DATABASE} rename to {PREVIOUS}")
            postgres.execute(f"alter database {MIGRATING} rename to {DATABASE}")
            postgres.execute(f"comment on database {DATABASE} is '{wanted}'")
        postgres.execute(f"drop database if exists {PREVIOUS}")
    return True


def run_migration(settings: Settings) -> None:
    """Run ``airflow db migrate`` on the copy."""
    home = airflow_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    write_atomic(home / "airflow.cfg", NOTE)
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=inherited_environment()
        | mark(settings.home)
        | airflow_environment(settings)
        | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": sqlalchemy_url(settings, MIGRATING)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-8:])
        raise PenchantError(
            f"`airflow db migrate` exited with status {done.returncode}: {last}",
            f"check for a full disk; removing {data_folder(settings)} starts without past runs",
        )
