"""Reads the plan of a day that ``penchant plan-ads`` wrote."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penchant.ads.campaigns import Campaigns, Floats
from penchant.ads.pacing import PacingConfig
from penchant.artifacts import AdPlanRecord
from penchant.encoders.ids import Ids
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.settings import Settings


@dataclass(frozen=True)
class AdPlan:
    """``run_id``: of the family that predicted responses. ``prices_C``: the shadow price of each
    budget. ``curve_M``: the cumulative share of the day's traffic at the end of each period."""

    snapshot_id: str
    run_id: str
    campaigns: Campaigns
    pacing: PacingConfig
    prices_C: Floats
    curve_M: Floats
    _users: Ids
    _starts: np.ndarray
    _columns: np.ndarray
    _planned: Floats
    _probability: Floats

    @classmethod
    def open(cls, settings: Settings, snapshot_id: str) -> "AdPlan":
        """Raises NothingToDo without a plan, DataError for a plan of another format version."""
        try:
            record = AdPlanRecord.read(AdPlanRecord.path(settings, snapshot_id))
        except FileNotFoundError:
            raise NothingToDo(
                f"no ads are planned for the live snapshot {snapshot_id}",
                f"run `penchant plan-ads --snapshot {snapshot_id} --budgets FILE`",
            ) from None
        return cls._of(record, AdPlanRecord.folder(settings, snapshot_id))

    @classmethod
    def _of(cls, record: AdPlanRecord, folder: Path) -> "AdPlan":
        ids = tuple(record.campaigns)

        def column(name: str) -> Floats:
            return np.array([getattr(record.campaigns[each], name) for each in ids], dtype=float)

        campaigns = Campaigns(
            ids, column("budget"), column("price"), column("value"), column("cap")
        )
        rows = pq.read_table(folder / "plan.parquet").sort_by("user_id")
        place = {name: at for at, name in enumerate(ids)}
        users = np.array([each.encode() for each in rows["user_id"].to_pylist()], np.bytes_)
        distinct, starts = np.unique(users, return_index=True)
        return cls(
            record.snapshot_id,
            record.run_id,
            campaigns,
            PacingConfig(attention=record.attention, ad_attention=record.ad_attention),
            column("budget_price"),
            np.array(record.curve),
            Ids(distinct),
            np.append(starts, len(users)),
            np.array([place[one] for one in rows["ad_id"].to_pylist()], dtype=np.int64),
            rows["impressions"].to_numpy(),
            rows["probability"].to_numpy(),
        )

    def of(self, user_id: str) -> tuple[Floats, Floats]:
        """planned_C and probability_C of a user: impressions, rounded up, and the probability of a
        response; 0 where nothing is planned."""
        planned_C, probability_C = np.zeros((2, len(self.campaigns.ids)))
        (user,) = self._users.rows([user_id])
        if user >= 0:
            part = slice(self._starts[user], self._starts[user + 1])
            planned_C[self._columns[part]] = np.ceil(self._planned[part] - 1e-9)
            probability_C[self._columns[part]] = self._probability[part]
        return planned_C, probability_C
