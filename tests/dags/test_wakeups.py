"""The newest data reaches a release whatever arrives meanwhile: Airflow with fake subcommands."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.servers import free_port
from penchant.platform import services
from penchant.platform.airflow import airflow_environment
from penchant.platform.chain import CHAIN
from penchant.platform.rest import Airflow
from penchant.platform.running import platform
from penchant.platform.startup import start_airflow
from penchant.settings import Settings

DAGS = """\
# airflow parses files that name airflow and a DAG
import dags.command
dags.command.PENCHANT = ({python!r}, {script!r})
{imports}
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder of the fake command and its counters."""
    folder = tmp_path / "state"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("fake_penchant.py"), folder)
    return folder


@pytest.fixture
def airflow(
    settings: Settings, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Airflow]:
    folder = tmp_path / "dags"
    folder.mkdir()
    imports = "\n".join(f"import dags.{name}" for name in (*CHAIN, "reconcile"))
    script = str(state / "fake_penchant.py")
    (folder / "fake.py").write_text(
        DAGS.format(python=sys.executable, script=script, imports=imports)
    )

    def environment(settings: Settings) -> dict[str, str]:
        return airflow_environment(settings) | {"AIRFLOW__CORE__DAGS_FOLDER": str(folder)}

    monkeypatch.setattr(services, "airflow_environment", environment)
    local = settings.model_copy(update={"airflow_port": free_port()})
    with platform(local) as running, start_airflow(local, running, print) as started:
        yield started


@pytest.mark.long
def test_newest_of_many_landings_reaches_a_release(airflow: Airflow, state: Path) -> None:
    def read(name: str) -> int:
        path = state / name
        return int(path.read_text()) if path.exists() else 0

    def land() -> None:
        landed = read("landed")
        airflow.trigger("ingest_landing", f"land-{landed}")
        wait_for(lambda: read("landed") == landed + 1)

    (state / "hold-build").touch()
    land()
    wait_for(lambda: read("began-build") == 1)
    for _ in range(3):
        land()
    (state / "hold-plan-training").touch()
    (state / "hold-build").unlink()
    wait_for(lambda: read("began-plan-training") > 0)
    for _ in range(3):
        features = read("features")
        land()
        wait_for(lambda before=features: wake(airflow) and read("features") > before)
    (state / "hold-plan-training").unlink()
    wait_for(lambda: wake(airflow) and read("released") == read("landed") == 7)


def wake(airflow: Airflow) -> bool:
    """A run of the reconciler, which otherwise comes every ten minutes."""
    airflow.trigger("reconcile", f"test-{time.monotonic_ns()}")
    time.sleep(3)
    return True


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.2)
