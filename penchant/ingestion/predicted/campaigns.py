"""``planned_offers``: which offers each user is selected for, held-out users included."""

from datetime import datetime, time
from pathlib import Path

import pyarrow as pa

from penchant.artifacts.campaign import PLAN, CampaignPlanRecord
from penchant.encryption import parquet as pq
from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.predicted.table import InsightTable, table_of
from penchant.settings import Settings


def planned_folders(settings: Settings) -> list[tuple[str, Path]]:
    """The newest plan of each campaign, with its snapshot."""
    paths = CampaignPlanRecord.planned(settings).values()
    return [(CampaignPlanRecord.read(path).snapshot_id, path.parent) for path in paths]


def planned_offers(folder: Path, as_of: datetime) -> pa.Table:
    """A row per selected user and offer."""
    record = CampaignPlanRecord.read(folder / "plan.json")
    of_plan = {
        "campaign": record.name,
        "planned_at": as_of,
        "starts_on": datetime.combine(record.starts_on, time()),
        "ends_on": datetime.combine(record.ends_on, time()),
    }
    rows = pq.read_table(folder / PLAN).to_pylist()
    return table_of(PLANNED_OFFERS.contract, [of_plan | row for row in rows])


PLANNED_OFFERS = InsightTable(
    Contract(
        table="planned_offers",
        columns=(
            Column("campaign", "VARCHAR"),
            Column("offer", "VARCHAR"),
            Column("user_id", "VARCHAR"),
            Column("planned_at", "TIMESTAMP", may_be_ahead=True),
            Column("starts_on", "TIMESTAMP", may_be_ahead=True),
            Column("ends_on", "TIMESTAMP", may_be_ahead=True),
            Column("discount", "DOUBLE", minimum=0, maximum=1),
            Column("sent", "BOOLEAN"),
            Column("propensity", "DOUBLE", minimum=0, maximum=1),
            Column("added", "DOUBLE"),
            Column("cost", "DOUBLE", minimum=0),
        ),
        key=("campaign", "offer", "user_id", "planned_at"),
        user_column="user_id",
    ),
    planned_folders,
    planned_offers,
)
