"""Subcommands that start and stop services: the API server, the demo, the platform."""

import json
from typing import Annotated

import typer

from penchant.settings import Settings

services = typer.Typer()


@services.command()
def serve(
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="server processes, which share the rate limits")
    ] = 1,
) -> None:
    """Serve recommendations, features and the event endpoint over HTTP."""
    from penchant.api.app import create_app, worker_app
    from penchant.api.auth.access import require_token_for_network
    from penchant.api.auth.first_token import ensure_first_token
    from penchant.api.process import configure_process
    from penchant.api.server.run import require_free_address, run, run_workers
    from penchant.platform.services import console_link
    from penchant.pseudonyms import Pseudonyms

    settings = Settings()
    Pseudonyms(settings).establish()
    require_token_for_network(settings)
    require_free_address(settings)
    if (secret := ensure_first_token(settings)) is not None:
        typer.echo(f"the first token of this home: {secret}\nconsole: {console_link(settings)}")
    address = f"http://{settings.api_host}:{settings.api_port}"
    typer.echo(f"API at {address}, its routes at {address}/docs, the console at {address}/console/")
    if workers > 1:
        run_workers(worker_app, settings, workers)
        return
    served = create_app(settings)
    configure_process()
    run(served, settings)


@services.command()
def openapi(
    typescript: Annotated[
        bool, typer.Option("--typescript", help="as TypeScript declarations")
    ] = False,
) -> None:
    """Print the HTTP API's OpenAPI description."""
    from penchant.api.app import openapi_description
    from penchant.api.clients.typescript import typescript as declarations

    described = openapi_description()
    typer.echo(declarations(described) if typescript else json.dumps(described, indent=2))


@services.command()
def demo() -> None:
    """Run the main job with Airflow's scheduler and show its progress."""
    from penchant.api.auth.first_token import ensure_first_token
    from penchant.platform.demo import run

    settings = Settings()
    ensure_first_token(settings)
    raise typer.Exit(run(settings))


@services.command()
def up() -> None:
    """Start the platform in the background and print its addresses."""
    from penchant.api.auth.first_token import ensure_first_token
    from penchant.building.build import docs
    from penchant.platform.up import up as run

    settings = Settings()
    ensure_first_token(settings)
    if settings.live_snapshot.current():
        docs(settings)
    run(settings)


@services.command()
def down() -> None:
    """Stop the platform that `penchant up` started."""
    from penchant.platform.up import down as run

    run(Settings())
