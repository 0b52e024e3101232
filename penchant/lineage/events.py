"""A stage's run as OpenLineage events: START, then COMPLETE, FAIL, or ABORT if there was nothing
to do (https://openlineage.io/spec/2-0-2/OpenLineage.json).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from penchant.errors import NothingToDo
from penchant.lineage.delivery import Delivery
from penchant.settings import Settings

NAMESPACE = "penchant"
PRODUCER = f"urn:penchant:{version('penchant')}"


@dataclass(frozen=True)
class Data:
    """Something that a stage reads or writes. ``version``: the id of its snapshot, run or release.
    ``rows``: None where they aren't counted."""

    name: str
    version: str | None = None
    rows: int | None = None


@dataclass
class StageRun:
    """What a stage has read and written; it fills both in while it works."""

    inputs: Sequence[Data] = field(default=())
    outputs: Sequence[Data] = field(default=())


@contextmanager
def lineage(settings: Settings, job: str, of_this_process: bool = True) -> Iterator[StageRun]:
    """Tell of a stage, if ``PENCHANT_LINEAGE`` is set. Never fails a stage. Among processes that
    work on a stage together, one tells of it."""
    run = StageRun()
    if settings.lineage is None or not of_this_process:
        yield run
        return
    from openlineage.client.uuid import generate_new_uuid

    delivery, run_id = Delivery(settings.lineage), str(generate_new_uuid())

    def send(state: str, cause: str | None = None) -> None:
        delivery.send(event(f"{_shop(settings.home)}.{job}", run_id, state, run, cause))

    send("START")
    try:
        yield run
    except NothingToDo:
        send("ABORT")
        raise
    except BaseException as error:
        send("FAIL", type(error).__name__)  # its text may have rows of the data
        raise
    else:
        send("COMPLETE")
    finally:
        delivery.close()


def event(job: str, run_id: str, state: str, run: StageRun, cause: str | None = None) -> str:
    """A RunEvent as JSON. ``cause``: of a failure."""
    from openlineage.client import facet_v2
    from openlineage.client.event_v2 import (
        InputDataset,
        Job,
        OutputDataset,
        Run,
        RunEvent,
        RunState,
    )
    from openlineage.client.serde import Serde

    def of(data: Data) -> dict[str, Any]:
        if data.version is None:
            return {}
        version = facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=data.version, producer=PRODUCER
        )
        return {"version": version}

    def written(data: Data) -> dict[str, Any]:
        if data.rows is None:
            return {}
        statistics = facet_v2.output_statistics_output_dataset
        return {
            "outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(
                rowCount=data.rows, producer=PRODUCER
            )
        }

    failure: dict[str, Any] = {}
    if cause is not None:
        failure["errorMessage"] = facet_v2.error_message_run.ErrorMessageRunFacet(
            message=cause, programmingLanguage="python", producer=PRODUCER
        )
    made = RunEvent(
        eventType=RunState[state],
        eventTime=datetime.now(UTC).isoformat(),
        run=Run(runId=run_id, facets=failure),
        job=Job(namespace=NAMESPACE, name=job),
        producer=PRODUCER,
        inputs=[InputDataset(NAMESPACE, each.name, facets=of(each)) for each in run.inputs],
        outputs=[
            OutputDataset(NAMESPACE, each.name, facets=of(each), outputFacets=written(each))
            for each in run.outputs
        ],
    )
    return Serde.to_json(made)


def _shop(home: Path) -> str:
    """The name of the home's folder, which distinguishes homes at one endpoint."""
    return home.name.lstrip(".") or "home"
