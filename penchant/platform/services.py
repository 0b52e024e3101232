"""The services of the platform: command, environment, log and address of each."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from penchant.platform.airflow import airflow_environment, inherited_environment
from penchant.platform.postgres import connection_string, server_command
from penchant.platform.processes import mark
from penchant.settings import Settings

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Service:
    """One long-running process.

    ``setting`` is the field of Settings with its ``port``; both are None for a service without a
    port. ``ready`` is a URL that responds once the service works. A service that ``ends_last`` ends
    after all others.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    port: int | None = None
    setting: str | None = None
    ready: str | None = None
    pages: tuple[tuple[str, str], ...] = ()
    """Pages for the browser: (title, URL)."""
    ends_last: bool = False


def settings_environment(settings: Settings) -> dict[str, str]:
    """The settings as ``PENCHANT_*`` variables, with absolute paths."""
    environment = {}
    for name, value in settings.model_dump(exclude_none=True).items():
        if isinstance(value, Path):
            value = value.resolve()
        elif isinstance(value, tuple | list | dict):
            value = json.dumps(value)  # as pydantic-settings parses it
        elif isinstance(value, SecretStr):
            value = value.get_secret_value()
        environment[f"PENCHANT_{name.upper()}"] = str(value)
    return environment


def common_environment(settings: Settings) -> dict[str, str]:
    """The caller's environment with the settings, the marker and this venv's commands on PATH."""
    bin_folder = str(Path(sys.executable).parent)
    return {
        # the services share the cores: a thread of OpenMP that waits for the others sleeps
        "OMP_WAIT_POLICY": "PASSIVE",
        **inherited_environment(),
        **settings_environment(settings),
        **mark(settings.home),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        # results depend on neither the locale nor the time zone of this machine
        "PYTHONUTF8": "1",
        "TZ": "UTC",
    }


def database_service(settings: Settings) -> Service:
    """The Postgres with Airflow's metadata."""
    return Service(
        "postgres",
        server_command(settings),
        common_environment(settings),
        settings.home / "platform" / "logs" / "postgres.log",
        ready=connection_string(settings, "postgres"),
        ends_last=True,
    )


def airflow_services(settings: Settings) -> tuple[Service, ...]:
    """API server, DAG processor and, last, scheduler. No task defers: there is no triggerer."""
    environment = common_environment(settings) | airflow_environment(settings)
    logs = settings.home / "airflow" / "logs"
    url = f"http://{HOST}:{settings.airflow_port}"
    airflow = (sys.executable, "-m", "airflow")
    return (
        Service(
            "api-server",
            (*airflow, "api-server", "--host", HOST, "--port", str(settings.airflow_port)),
            environment,
            logs / "api-server.log",
            settings.airflow_port,
            "airflow_port",
            # the execution API is built at its first request, which takes seconds; this request
            # spares the first task that wait
            f"{url}/execution/health",
            (("Airflow", url),),
        ),
        Service(
            "dag-processor", (*airflow, "dag-processor"), environment, logs / "dag-processor.log"
        ),
        # the log server is for other machines; here the API server reads the log files
        Service(
            "scheduler",
            (*airflow, "scheduler", "--skip-serve-logs"),
            environment,
            logs / "scheduler.log",
        ),
    )


def web_services(settings: Settings) -> tuple[Service, ...]:
    """MLflow, Feast UI, static pages and the HTTP API."""
    environment = common_environment(settings)
    logs = settings.home / "platform" / "logs"
    mlflow, feast, docs = (
        f"http://{HOST}:{port}"
        for port in (settings.mlflow_port, settings.feast_port, settings.docs_port)
    )
    python = (sys.executable, "-m")
    return (
        Service(
            "mlflow",
            (
                *python,
                "mlflow",
                "server",
                f"--backend-store-uri={settings.mlflow_uri}",
                f"--default-artifact-root={settings.home / 'mlflow' / 'artifacts'}",
                f"--host={HOST}",
                f"--port={settings.mlflow_port}",
                "--workers=1",
            ),
            environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            logs / "mlflow.log",
            settings.mlflow_port,
            "mlflow_port",
            f"{mlflow}/health",
            (("MLflow", mlflow),),
        ),
        Service(
            "feast-ui",
            (*python, "penchant.platform.feast_ui"),
            environment,
            logs / "feast-ui.log",
            settings.feast_port,
            "feast_port",
            # it starts serving when the first features are online
            feast if settings.live_features.current() else None,
            (("Feast", feast),),
        ),
        Service(
            "pages",
            (
                *python,
                "http.server",
                f"--bind={HOST}",
                f"--directory={settings.site}",
                str(settings.docs_port),
            ),
            environment,
            logs / "pages.log",
            settings.docs_port,
            "docs_port",
            docs,
            (
                ("Data Docs", f"{docs}/data_docs/"),
                ("dbt docs", f"{docs}/dbt_docs/"),
                ("Reports", f"{docs}/reports/"),
            ),
        ),
        api_service(settings),
    )


def console_link(settings: Settings) -> str:
    """The console's address. With the token of this machine where it is kept, as a fragment:
    browsers don't send it, so the secret is in no server's log."""
    console = f"http://{HOST}:{settings.api_port}/console/"
    try:
        return f"{console}login#token={settings.local_token.read_text().strip()}"
    except FileNotFoundError:
        return console


def api_service(settings: Settings) -> Service:
    """The HTTP API with its console."""
    api = f"http://{HOST}:{settings.api_port}"
    return Service(
        "api",
        (str(Path(sys.executable).with_name("penchant")), "serve"),
        common_environment(settings),
        settings.home / "platform" / "logs" / "api.log",
        settings.api_port,
        "api_port",
        f"{api}/healthz",
        (("Console", console_link(settings)), ("API", f"{api}/docs")),
    )
