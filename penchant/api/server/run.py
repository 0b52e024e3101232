"""Run the API server with uvicorn."""

import sys

import uvicorn
from fastapi import FastAPI

from penchant.api.server.connection import LimitedConnection
from penchant.settings import Settings

SHUTDOWN_SECONDS = 8  # for requests in progress; supervisors kill after ten
KEEP_ALIVE_SECONDS = 30


def configuration(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """``X-Forwarded-For`` is believed only of the addresses in ``PENCHANT_TRUSTED_PROXIES``."""
    return uvicorn.Config(
        app,
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
    )


def run(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    server = uvicorn.Server(configuration(app, settings))
    server.run()
    if not server.started:  # uvicorn has logged why
        sys.exit(1)
