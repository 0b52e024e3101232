"""Run the API server with uvicorn."""

import resource
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from penchant.api.auth.rates import SharedRates
from penchant.api.server.connection import MAX_CONNECTIONS, LimitedConnection
from penchant.errors import UsageError
from penchant.settings import Settings

SHUTDOWN_SECONDS = 8  # for requests in progress; supervisors kill after ten
KEEP_ALIVE_SECONDS = 30
WORKER_SECONDS = 30  # without a sign of life, after which a worker is replaced
OTHER_FILES = 500  # of releases, stores and logs


def configuration(
    app: FastAPI | Callable[[], FastAPI], settings: Settings, workers: int = 1
) -> uvicorn.Config:
    """``app``: the application, or a function that makes one for each worker; it is pickled.

    ``X-Forwarded-For`` is believed only of the addresses in ``PENCHANT_TRUSTED_PROXIES``.
    """
    return uvicorn.Config(
        app,
        factory=not isinstance(app, FastAPI),
        workers=workers,
        host=settings.api_host,
        port=settings.api_port,
        http=LimitedConnection,
        ws="none",
        log_level="warning",
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=WORKER_SECONDS,
    )


def require_free_address(settings: Settings) -> None:
    """Raise UsageError where the server can't listen: a port in use, an unknown address."""
    host, port = settings.api_host, settings.api_port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"can't listen at {host}, port {port}: {error.strerror or error}",
                "end what uses the port, or set PENCHANT_API_PORT or PENCHANT_API_HOST",
            ) from None


def run_workers(make: Callable[[Path], FastAPI], settings: Settings, workers: int) -> None:
    """Serve with several processes on one port until SIGTERM or Ctrl-C; one that ends is replaced.

    They share the home's files as servers of different machines do, and the rates of clients in a
    file. ``make``: a module's function that makes the application of a worker, given that file.
    """
    _allow_open_files(MAX_CONNECTIONS + OTHER_FILES)
    with TemporaryDirectory(prefix="penchant-serve-") as folder:
        rates = Path(folder) / "rates"
        SharedRates.create(rates)
        config = configuration(partial(make, rates), settings, workers)
        listening = config.bind_socket()
        Multiprocess(config, sockets=[listening]).run()


def run(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    _allow_open_files(MAX_CONNECTIONS + OTHER_FILES)
    server = uvicorn.Server(configuration(app, settings))
    server.run()
    if not server.started:  # uvicorn has logged why
        sys.exit(1)


def _allow_open_files(wanted: int) -> None:
    """Raise the process's limit of open files as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < possible:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
