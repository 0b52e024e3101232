"""The start of Airflow: database, API server, scheduler, until DAG runs can be triggered."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from penchant.errors import PenchantError
from penchant.platform import postgres
from penchant.platform.airflow import migrate
from penchant.platform.chain import CHAIN, pools
from penchant.platform.rest import Airflow
from penchant.platform.running import NOTICE_SECONDS, Platform
from penchant.platform.services import HOST, Service, airflow_services, database_service
from penchant.settings import Settings


@contextmanager
def start_airflow(
    settings: Settings,
    running: Platform,
    notify: Callable[[str], None],
    web: tuple[Service, ...] = (),
    before_scheduling: Callable[[Airflow], None] = lambda airflow: None,
) -> Iterator[Airflow]:
    """Start Airflow and the services in ``web``; yield a client when DAG runs can be triggered.

    The scheduler starts last: pools are set and ``before_scheduling`` has run before any task does.
    """
    notify("starting the database")
    postgres.prepare(settings)
    database = database_service(settings)
    running.start(database)
    running.wait_until_ready((database,), notify)
    notify("preparing Airflow's tables")
    migrate(settings)
    *before, scheduler = airflow_services(settings)
    notify("starting Airflow")
    for service in (*before, *web):
        running.start(service)
    running.wait_until_ready((*before, *web), notify)
    with Airflow(f"http://{HOST}:{settings.airflow_port}", running.require_alive) as airflow:
        for name, slots in pools(settings).items():
            airflow.set_pool(name, slots, "see dags/defaults.py")
        before_scheduling(airflow)
        running.start(scheduler)
        notify("waiting until Airflow has parsed the DAGs")
        wait_for_dags(airflow, running, notify)
        yield airflow


def wait_for_dags(airflow: Airflow, running: Platform, notify: Callable[[str], None]) -> None:
    """Wait until all DAGs are parsed and the scheduler is healthy, as long as all services run."""
    started = datetime.now(UTC)
    notice_at = time.monotonic() + NOTICE_SECONDS
    while True:
        running.require_alive()
        known = set(CHAIN) <= airflow.dag_ids()
        if known and airflow.health()["scheduler"] == "healthy":
            return
        if errors := airflow.import_errors(started):
            file, trace = next(iter(errors.items()))
            raise PenchantError(f"Airflow cannot import {file}:\n{trace}", "fix that file")
        if time.monotonic() > notice_at:
            missing = "the scheduler" if known else "the DAG processor"
            notify(f"still waiting for {missing}")
            notice_at += NOTICE_SECONDS
        time.sleep(0.3)
