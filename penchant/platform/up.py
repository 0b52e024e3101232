"""``penchant up`` and ``penchant down``: the platform as something that stays."""

from rich.console import Console

from penchant.platform.airflow import migrate
from penchant.platform.demo import ended_by_signals, start_airflow, wait_for_dags
from penchant.platform.running import end_staying, platform, require_none
from penchant.platform.services import airflow_services, reading_services, require_free_ports
from penchant.settings import Settings


def up(settings: Settings) -> None:
    """Start everything, wait until each part answers, print the addresses, and leave it running.

    Raises PenchantError where it runs already, a port is taken, or a part does not come up;
    nothing is left running then.
    """
    console = Console()
    require_none(settings.home)
    services = (*airflow_services(settings), *reading_services(settings))
    require_free_ports(services)
    settings.site.mkdir(parents=True, exist_ok=True)
    (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    console.print("Starting the platform; this takes about a minute.")
    with ended_by_signals(), platform(settings) as running:
        migrate(settings)
        with start_airflow(settings, running, services) as airflow:
            wait_for_dags(airflow, running)
        running.stay()
    for service in services:
        for title, url in service.pages:
            console.print(f"  {title:15} {url}", highlight=False)
    console.print("It stays up until `make down`.")


def down(settings: Settings) -> None:
    """End everything that `up` started, and say so."""
    ended = end_staying(settings.home)
    print("The platform is down." if ended else "The platform was not up; nothing to end.")
