"""What was served by day, from the marts ``impressions`` and ``outcomes``, and what came of it.

Only impressions of a release count: others come from logs of elsewhere. An outcome counts if it
came on the impression's day, so that the last day has had as much time as the others. The family is
that of the release's ranker; the segment is the lifecycle stage that the user was in.
"""

from collections.abc import Iterator, Mapping

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penchant.artifacts.monitoring import By, ScoreBin, ServedQuality
from penchant.artifacts.record import Interval
from penchant.monitoring.days import SAMPLE_ROWS, Days
from penchant.monitoring.events import rows_by_day
from penchant.monitoring.series import Floats, Series, Volume, categories, encoded, numbers, share

OF_A_RELEASE = "release_id is not null"
UNKNOWN = "unknown"
PARTS: tuple[By, ...] = ("family", "segment")
LEAST_OF_A_TENTH = 50  # impressions: with fewer the share that was clicked says little
Z = 1.96  # 95 %


class Served:
    """A sample of the impressions of releases, with their outcomes."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, days: Days, families: Mapping[str, str]
    ) -> None:
        """``families``: release id -> family. Needs the views ``impressions``, ``outcomes``,
        ``items`` and ``user_lifecycle``."""
        self._days = days
        self._rows_D = rows_by_day(connection, days, "impressions", "shown_at", OF_A_RELEASE)
        table = _table(connection, days, int(self._rows_D.sum()))
        self._table = table
        self._day_N = table["day"].to_numpy()
        self._clicked_N, self._bought_N = (
            np.asarray(table[name]) for name in ("clicked", "bought")
        )
        self._score_N: Floats = np.asarray(table["score"].fill_null(np.nan))
        releases, release_N = encoded(table["release_id"])
        self._family_N = np.array([families.get(each, UNKNOWN) for each in releases])[release_N]
        segments, segment_N = encoded(table["segment"])
        self._segment_N = np.array(segments)[segment_N]

    def __len__(self) -> int:
        return len(self._day_N)

    def series(self) -> Iterator[Series]:
        """Quantities by day, of predictions and outcomes."""
        number, day_N = self._days.number, self._day_N
        yield Volume("served", "outcomes", self._rows_D)
        for name in ("placement", "policy", "category_1"):
            yield categories(f"served.{name}", "predictions", number, day_N, self._table[name])
        yield share("served: clicked", "outcomes", number, day_N, self._clicked_N)
        yield share("served: bought", "outcomes", number, day_N, self._bought_N)
        for by in PARTS:
            for name, kept_N in self._parts(by):
                clicked_N = self._clicked_N[kept_N]
                title = f"served to {name}" if by == "segment" else f"served by {name}"
                yield share(f"{title}: clicked", "outcomes", number, day_N[kept_N], clicked_N)
        for name, kept_N in self._parts("family"):
            score_N = self._score_N[kept_N]
            if np.isfinite(score_N).any():
                title = f"served by {name}: score"
                yield numbers(title, "predictions", number, day_N[kept_N], score_N)

    def quality(self) -> Iterator[ServedQuality]:
        """By family, then by segment."""
        for by in PARTS:
            for name, kept_N in self._parts(by):
                yield self._quality(by, name, kept_N)

    def _parts(self, by: By) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        part_N = self._family_N if by == "family" else self._segment_N
        for name in np.unique(part_N):
            yield str(name), part_N == name

    def _quality(self, by: By, name: str, kept_N: npt.NDArray[np.bool_]) -> ServedQuality:
        clicked_N, score_N = self._clicked_N[kept_N], self._score_N[kept_N]
        known_N = np.isfinite(score_N)
        predicted_N = score_N[known_N]
        # scores of different families don't compare, so a segment has no calibration
        probabilities = (
            by == "family"
            and len(predicted_N) > 0
            and 0 <= predicted_N.min() <= predicted_N.max() <= 1
        )
        clicks = int(clicked_N.sum())
        return ServedQuality(
            by=by,
            name=name,
            impressions=len(clicked_N),
            clicks=clicks,
            conversions=int(self._bought_N[kept_N].sum()),
            click_rate=wilson(clicks, len(clicked_N)),
            calibration=(
                float(clicked_N[known_N].sum() / max(predicted_N.sum(), 1e-9))
                if probabilities
                else None
            ),
            tenths=_tenths(predicted_N, clicked_N[known_N]) if by == "family" else (),
        )


def wilson(hits: int, rows: int) -> Interval:
    """A share with its 95 % interval (Wilson, 1927)."""
    if rows == 0:
        return {"mean": 0.0, "low": 0.0, "high": 1.0}
    of, share_ = Z * Z / rows, hits / rows
    centre = (share_ + of / 2) / (1 + of)
    half = Z * np.sqrt(share_ * (1 - share_) / rows + of / (4 * rows)) / (1 + of)
    return {"mean": share_, "low": float(centre - half), "high": float(centre + half)}


def _tenths(score_N: Floats, clicked_N: npt.NDArray[np.bool_]) -> tuple[ScoreBin, ...]:
    """By score, the lowest first; none with too few impressions."""
    if len(score_N) < 10 * LEAST_OF_A_TENTH:
        return ()
    parts = np.array_split(np.argsort(score_N, kind="stable"), 10)
    return tuple(
        ScoreBin(score=float(score_N[rows].mean()), clicked=float(clicked_N[rows].mean()))
        for rows in parts
    )


def _table(connection: duckdb.DuckDBPyConnection, days: Days, rows: int) -> pa.Table:
    return connection.sql(
        f"""
        with shown as (
            select *, {days.day("shown_at")} as day from impressions
            where {OF_A_RELEASE} and {days.within("shown_at")}
                and hash(impression_id) % {max(rows, 1)} < {SAMPLE_ROWS}
        ),
        same_day as (
            select impression_id, bool_or(event_type = 'purchase') as bought from outcomes
            where status = 'matched' and {days.calendar("event_at")} = {days.calendar("shown_at")}
            group by impression_id
        )
        select
            shown.day, shown.release_id, shown.policy, shown.placement, shown.score,
            items.category_1,
            same_day.impression_id is not null as clicked,
            coalesce(same_day.bought, false) as bought,
            coalesce(stages.lifecycle_stage, '{UNKNOWN}') as segment
        from shown
        left join same_day using (impression_id)
        left join items using (item_id)
        asof left join user_lifecycle as stages
            on shown.user_id = stages.user_id and shown.shown_at >= stages.feature_at
        """
    ).to_arrow_table()
