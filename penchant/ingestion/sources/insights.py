"""What ``refresh_insights`` found out, as input of the next build.

Rows are those of the published insights, and carry the end of the snapshot that they were made
from. A file lands once for each snapshot, so the tables keep the history of predictions.
"""

from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.predicted.audience import LAUNCH_AUDIENCES
from penchant.ingestion.predicted.campaigns import PLANNED_OFFERS
from penchant.ingestion.predicted.competitors import (
    COMPETITOR_ASPECTS,
    COMPETITOR_GAPS,
    COMPETITOR_MATCHES,
    COMPETITOR_PRICES,
)
from penchant.ingestion.predicted.demand import ITEM_FORECASTS
from penchant.ingestion.predicted.retention import USER_RETURNS
from penchant.ingestion.predicted.voice import ITEM_SENTIMENTS, REVIEW_ASPECTS

NAME = "insights"
TABLES = (
    ITEM_FORECASTS,
    USER_RETURNS,
    LAUNCH_AUDIENCES,
    PLANNED_OFFERS,
    ITEM_SENTIMENTS,
    REVIEW_ASPECTS,
    *(COMPETITOR_MATCHES, COMPETITOR_PRICES, COMPETITOR_GAPS, COMPETITOR_ASPECTS),
)
CONTRACTS = tuple(table.contract for table in TABLES)


def arrivals(request: Request) -> list[Arrival]:
    """The published tables that have rows, a file each.

    Raises NothingToDo where none are published.
    """
    settings, found = request.settings, []
    for table in TABLES:
        for snapshot_id, folder in table.folders(settings):
            rows = table.read(folder, Snapshot.open(settings, snapshot_id).description.as_of)
            if len(rows):
                path = (
                    request.workspace
                    / f"{snapshot_id}-{folder.name}-{table.contract.table}.parquet"
                )
                pq.write_table(rows, path)
                found.append(Arrival(table.contract, path))
    if not found:
        raise NothingToDo(
            "no insights are published that land",
            "run `penchant forecast-demand`, `predict-retention`, `rank-audiences`, "
            "`read-reviews`, `compare-competitors` or `plan-campaign` first",
        )
    return found
