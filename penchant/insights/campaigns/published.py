"""Planned campaigns, as the API server and the console read them.

Rows are read from the file at each request: they name users, and go with the folder on erasure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from penchant.artifacts.campaign import PLAN, CampaignPlanRecord
from penchant.encryption import parquet as pq
from penchant.settings import Settings

PAGE = 100  # rows that are read at once


@dataclass(frozen=True)
class PublishedCampaign:
    """``folder``: of one plan."""

    folder: Path
    record: CampaignPlanRecord

    def offers(self) -> Iterator[dict[str, Any]]:
        """What to send to whom, users who are held out not included; read as far as is taken."""
        table = pq.read_table(self.folder / PLAN, filters=pc.field("sent"))
        for rows in table.to_batches(max_chunksize=PAGE):
            yield from rows.to_pylist()

    def of_user(self, user_id: str) -> list[dict[str, Any]]:
        """The user's rows, also when held out."""
        chosen = pc.field("user_id") == user_id
        return pq.read_table(self.folder / PLAN, filters=chosen).to_pylist()


def published_campaigns(settings: Settings) -> list[PublishedCampaign]:
    """Each campaign by its newest snapshot, those that begin last first."""
    found = [_opened(path) for path in CampaignPlanRecord.planned(settings).values()]
    return sorted(found, key=lambda each: (each.record.starts_on, each.record.name))[::-1]


def published_campaign(settings: Settings, name: str) -> PublishedCampaign:
    """Raises UnknownId for a campaign that is not planned."""
    return _opened(CampaignPlanRecord.path_of(settings, name))


def _opened(path: Path) -> PublishedCampaign:
    return PublishedCampaign(path.parent, CampaignPlanRecord.read(path))
