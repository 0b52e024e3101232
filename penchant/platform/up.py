"""``penchant up`` and ``penchant down``: the platform in the background."""

from functools import partial

from rich.console import Console

from penchant.platform.demo import ended_by_signals
from penchant.platform.preflight import require_startable
from penchant.platform.running import end_staying, platform, require_none
from penchant.platform.services import airflow_services, web_services
from penchant.platform.startup import start_airflow
from penchant.settings import Settings


def up(settings: Settings) -> None:
    """Start all services, wait until each responds, print the addresses, keep them running.

    Raises PenchantError if the platform is up already, a port is in use, or a service fails; all
    services have ended then.
    """
    console = Console()
    require_none(settings.home)
    web = web_services(settings)
    services = (*airflow_services(settings), *web)
    settings.site.mkdir(parents=True, exist_ok=True)
    (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    notify = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    require_startable(settings, services, notify)
    notify("Starting the platform; this takes about a minute.")
    with (
        ended_by_signals(),
        platform(settings) as running,
        start_airflow(settings, running, notify, web),
    ):
        running.stay()
    for service in services:
        for title, url in service.pages:
            console.print(f"  {title:15} {url}", highlight=False)
    console.print("`make down` stops it.")


def down(settings: Settings) -> None:
    """End the platform that `up` started, and print the outcome."""
    ended = end_staying(settings.home)
    print("The platform is down." if ended else "The platform was not up.")
