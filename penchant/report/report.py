"""The report of the live release: its data, models, selection and recommendations."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penchant.artifacts import Snapshot
from penchant.bandits.experiments.gate import gates
from penchant.bandits.experiments.store import results
from penchant.encryption.duckdb_connection import connect
from penchant.errors import PenchantError, UsageError
from penchant.releases.release import RANKED_LISTS
from penchant.report.figures import figures
from penchant.report.insights import insights_sections
from penchant.report.page import page
from penchant.report.policies import policy_section
from penchant.report.portrait import portrait_section
from penchant.report.privacy import privacy_section
from penchant.report.regret import regret_section
from penchant.serving.recommending.recommendation import RecommendedItem
from penchant.serving.service import RecommendationService
from penchant.serving.status import status
from penchant.settings import Settings
from penchant.storage import write_atomic

QUANTILES = (0.25, 0.5, 0.75)  # example users, by number of purchases
PURCHASES = 5
RECOMMENDED = 5


@dataclass(frozen=True)
class Purchase:
    """A bought item, and its day (ISO)."""

    item_id: str
    title: str
    category: str | None
    day: str


@dataclass(frozen=True)
class UserState:
    """A known user: purchases latest first, recommendations best first."""

    user_id: str
    bought: int
    purchases: tuple[Purchase, ...]
    origin: str
    recommended: tuple[RecommendedItem, ...]


@dataclass(frozen=True)
class Report:
    """The page, and ``state``: the answer of ``penchant status``."""

    path: Path
    release_id: str
    state: dict[str, Any]
    users: tuple[UserState, ...]

    @property
    def families(self) -> list[dict[str, Any]]:
        """Each family's run with its metrics, seconds, peak memory and roles."""
        return self.state["families"]

    def as_dict(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "release_id": self.release_id,
            "families": self.families,
            "users": [asdict(user) for user in self.users],
        }

    def summary(self) -> str:
        return f"report of release {self.release_id}: {self.path}"


def report(settings: Settings) -> Report:
    """Write ``site/reports/<release_id>.html`` and return its contents.

    Raises UsageError before anything is published.
    """
    shown = reported(settings)
    release = shown.state["live_release"]
    snapshot = Snapshot.open(settings, release["snapshot_id"])
    retriever = release["retriever"]
    drawn = figures(settings, snapshot, shown.families, retriever["run_id"] if retriever else None)
    described = [asdict(each) for each in shown.users]
    sections = [
        *_portrait(settings, shown.users, release),
        policy_section(gates(settings, snapshot.id), results(settings)),
        regret_section(settings),
        *insights_sections(settings),
        privacy_section(settings, shown.state["privacy"]),
    ]
    html = page(shown.state, snapshot.description.as_dict(), described, drawn, sections)
    write_atomic(shown.path, html)
    return shown


def reported(settings: Settings) -> Report:
    """What the report says about the live release, without its figures: these take seconds to draw.

    Raises UsageError before anything is published.
    """
    state = status(settings)
    release = state["live_release"]
    if release is None:
        raise UsageError("no release is live to report on", "run `penchant publish` first")
    snapshot = Snapshot.open(settings, release["snapshot_id"])
    path = settings.site / "reports" / f"{release['id']}.html"
    return Report(path, release["id"], state, example_users(settings, snapshot, release["id"]))


def _portrait(
    settings: Settings, users: tuple[UserState, ...], release: dict[str, Any]
) -> list[str]:
    """The section on the median user, if there is a user."""
    median = users[len(users) // 2 : len(users) // 2 + 1]
    service = RecommendationService(settings)
    return [
        portrait_section(service.portrait(user.user_id), release["segments"]) for user in median
    ]


def example_users(settings: Settings, snapshot: Snapshot, release_id: str) -> tuple[UserState, ...]:
    """Known users at ``QUANTILES`` of the number of purchases: the same ones each time."""
    ranked = settings.releases / release_id / f"{RANKED_LISTS.name}.parquet"
    sequences = str(snapshot.mart("sequences"))
    with connect(settings.home, config={"threads": settings.threads}) as connection:
        known = connection.execute(
            "SELECT user_id, len(list_filter(event_types, lambda each: each = target_event_type)) "
            "AS events FROM read_parquet($sequences) WHERE events > 0 AND user_id IN "
            "(SELECT user_id FROM read_parquet($ranked)) ORDER BY events, user_id",
            {"sequences": sequences, "ranked": str(ranked)},
        ).fetchall()
    places = dict.fromkeys(int(quantile * (len(known) - 1)) for quantile in QUANTILES)
    service = RecommendationService(settings)
    users = []
    for user_id, bought in (known[place] for place in places if known):
        answer = service.recommend(user_id, RECOMMENDED)
        if answer.release_id != release_id:
            raise PenchantError(
                service.fault or "the live release changed while the report was written",
                "run `penchant report` again",
            )
        purchases = recent_purchases(settings, snapshot, user_id, PURCHASES)
        users.append(UserState(user_id, bought, purchases, answer.origin, answer.items))
    return tuple(users)


def recent_purchases(
    settings: Settings, snapshot: Snapshot, user_id: str, most: int
) -> tuple[Purchase, ...]:
    """A user's last distinct items in the mart ``sequences``, latest first."""
    with connect(settings.home, config={"threads": settings.threads}) as connection:
        rows = connection.execute(
            """
            WITH bought AS (
                SELECT unnest(item_ids) AS item_id, unnest(event_ats) AS event_at,
                    unnest(event_types) = target_event_type AS is_target
                FROM read_parquet($sequences) WHERE user_id = $user_id
            ),
            latest AS (
                SELECT item_id, max(event_at) AS event_at FROM bought WHERE is_target
                GROUP BY item_id
            )
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
