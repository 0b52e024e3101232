"""The report of the live generation: made from what, chosen how, recommending what."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from penchant.errors import PenchantError, UsageError
from penchant.experiments.gate import gates
from penchant.experiments.store import verdicts
from penchant.report.figures import figures
from penchant.report.page import page
from penchant.report.policies import policy_section
from penchant.report.portrait import portrait_section
from penchant.report.regret import regret_section
from penchant.serving.generations.generation import RANKED_LISTS
from penchant.serving.reader import Reader
from penchant.serving.recommending.recommendation import RecommendedItem
from penchant.serving.status import status
from penchant.settings import Settings
from penchant.snapshot import Snapshot
from penchant.storage import write_atomic

QUANTILES = (0.25, 0.5, 0.75)  # a light, a middling and a heavy shopper, by purchases
PURCHASES = 5
RECOMMENDED = 5


@dataclass(frozen=True)
class Purchase:
    """An item bought, and the day (ISO) of it."""

    item_id: str
    title: str
    category: str | None
    day: str


@dataclass(frozen=True)
class Shopper:
    """A known shopper: purchases latest first, recommendations best first."""

    user_id: str
    bought: int
    purchases: tuple[Purchase, ...]
    origin: str
    recommended: tuple[RecommendedItem, ...]


@dataclass(frozen=True)
class Report:
    """The page and what the terminal's table shows; ``state`` is what ``penchant status`` gives."""

    path: Path
    generation_id: str
    state: dict[str, Any]
    shoppers: tuple[Shopper, ...]

    @property
    def families(self) -> list[dict[str, Any]]:
        """Each family's run with its metrics, seconds, peak memory and roles."""
        return self.state["families"]

    def as_dict(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "generation_id": self.generation_id,
            "families": self.families,
            "shoppers": [asdict(shopper) for shopper in self.shoppers],
        }

    def summary(self) -> str:
        return f"report of generation {self.generation_id}: {self.path}"


def report(settings: Settings) -> Report:
    """Write ``site/reports/<generation_id>.html`` and return what it shows.

    Raises UsageError before anything is published.
    """
    state = status(settings)
    generation = state["live_generation"]
    if generation is None:
        raise UsageError("no generation is live to report on", "run `penchant publish` first")
    snapshot = Snapshot.open(settings, generation["snapshot_id"])
    shoppers = example_shoppers(settings, snapshot, generation["id"])
    path = settings.site / "reports" / f"{generation['id']}.html"
    retriever = generation["retriever"]
    drawn = figures(
        settings, snapshot, state["families"], retriever["run_id"] if retriever else None
    )
    described = [asdict(each) for each in shoppers]
    beside = [
        *_portrait(settings, shoppers, generation),
        policy_section(gates(settings, snapshot.id), verdicts(settings)),
        regret_section(settings),
    ]
    write_atomic(path, page(state, snapshot.describe(), described, drawn, beside))
    return Report(path, generation["id"], state, shoppers)


def _portrait(
    settings: Settings, shoppers: tuple[Shopper, ...], generation: dict[str, Any]
) -> list[str]:
    """The section on the middling shopper, where there is one."""
    middling = shoppers[len(shoppers) // 2 : len(shoppers) // 2 + 1]
    reader = Reader(settings)
    return [
        portrait_section(reader.portrait(shopper.user_id), generation.get("segments", []))
        for shopper in middling
    ]


def example_shoppers(
    settings: Settings, snapshot: Snapshot, generation_id: str
) -> tuple[Shopper, ...]:
    """Known shoppers at ``QUANTILES`` of the number of purchases: the same ones each time."""
    ranked = settings.generations / generation_id / f"{RANKED_LISTS.name}.parquet"
    sequences = str(snapshot.mart("sequences"))
    with duckdb.connect(config={"threads": settings.threads}) as connection:
        known = connection.execute(
            "SELECT user_id, len(item_ids) FROM read_parquet($sequences) WHERE user_id IN "
            "(SELECT user_id FROM read_parquet($ranked)) ORDER BY len(item_ids), user_id",
            {"sequences": sequences, "ranked": str(ranked)},
        ).fetchall()
    places = dict.fromkeys(int(quantile * (len(known) - 1)) for quantile in QUANTILES)
    reader = Reader(settings)
    shoppers = []
    for user_id, bought in (known[place] for place in places if known):
        answer = reader.recommend(user_id, RECOMMENDED)
        if answer.generation_id != generation_id:
            raise PenchantError("the live generation changed while it was reported on", "run again")
        purchases = recent_purchases(settings, snapshot, user_id, PURCHASES)
        shoppers.append(Shopper(user_id, bought, purchases, answer.origin, answer.items))
    return tuple(shoppers)


def recent_purchases(
    settings: Settings, snapshot: Snapshot, user_id: str, most: int
) -> tuple[Purchase, ...]:
    """A shopper's last different items from the snapshot's ``sequences``, latest first."""
    with duckdb.connect(config={"threads": settings.threads}) as connection:
        rows = connection.execute(
            """
            WITH bought AS (
                SELECT unnest(item_ids) AS item_id, unnest(event_ats) AS event_at
                FROM read_parquet($sequences) WHERE user_id = $user_id
            ),
            latest AS (SELECT item_id, max(event_at) AS event_at FROM bought GROUP BY item_id)
            SELECT item_id, title, category_1, strftime(event_at, '%Y-%m-%d')
            FROM latest JOIN read_parquet($items) USING (item_id)
            ORDER BY event_at DESC, item_id LIMIT $most
            """,
            {
                "sequences": str(snapshot.mart("sequences")),
                "items": str(snapshot.mart("items")),
                "user_id": user_id,
                "most": most,
            },
        ).fetchall()
    return tuple(Purchase(*row) for row in rows)
