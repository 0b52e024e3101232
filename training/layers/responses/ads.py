"""Ads by time: which to learn from, which to tune on and which to report.

Campaigns are few and long, so the two fortnights of split.py may hold none. Ads have windows of
their own instead, at the end of what was shown: the last fifth is the test and the fifth before it
the validation. What is learned from, or tuned on, had its answer known when the next part began, as
it would be when a campaign is about to go out; ads that ran over such a border are left out.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.errors import DataError, NothingToDo

RESPONSES = "ad_responses"
SPENDING = "campaign_spending"
CANDIDATES = "ad_candidates"
SHARE = 0.2
"""Of the ads shown, the least that each window holds."""

DAYS = "campaign_days"
NOT_FEATURES = frozenset(
    {
        *("impression_id", "offer_id", "user_id", "ad_id"),
        *("shown_at", "starts_at", "answered_at", "event_timestamp"),
        *("sent", "propensity"),
        *("converted", "reward", "spend_after", "advertised_spend_after"),
    }
)
"""Columns of the two training sets that name a row, or that nobody knew when the ad was shown."""


@dataclass(frozen=True)
class AdWindows:
    """``validation`` and ``test``: when the windows begin."""

    validation: datetime
    test: datetime

    @classmethod
    def of(cls, responses: pa.Table) -> "AdWindows":
        """The windows of ``ad_responses``.

        Raises NothingToDo when no ad was shown, or not at times far enough apart to learn from some
        and evaluate on others.
        """
        if not len(responses):
            raise NothingToDo(
                "no ad that was shown has features and an answer: there is no response to learn",
                "land impressions and campaigns that have ended; until then this family has no run",
            )
        shown_N, answered_N = (_moments(responses, name) for name in ("shown_at", "answered_at"))
        least = SHARE * len(responses)
        test = _begin(shown_N, least)
        known_N = answered_N <= test
        validation = _begin(shown_N[known_N], least) if known_N.any() else shown_N.min()
        if not (answered_N <= validation).any():
            raise NothingToDo(
                "the ads were shown at times too close together to learn from some and evaluate "
                f"on others: from {shown_N.min()} to {shown_N.max()}, the first answer known at "
                f"{answered_N.min()}",
                "wait for more campaigns to end, or land older ones",
            )
        return cls(_datetime(validation), _datetime(test))

    def split(self, table: pa.Table) -> "AdSplit":
        """Either training set in its parts. Raises DataError when one is empty."""
        begins = "shown_at" if "shown_at" in table.column_names else "starts_at"
        shown, answered = (_moments(table, name) for name in (begins, "answered_at"))
        begin, end = np.datetime64(self.validation, "us"), np.datetime64(self.test, "us")
        masks = {
            "training": answered <= begin,
            "validation": (shown >= begin) & (answered <= end),
            "test": shown >= end,
        }
        for name, mask in masks.items():
            if not mask.any():
                raise DataError(
                    f"the {name} part of the ads has no row", "run `penchant training-sets` again"
                )
        known = _with_days(table, shown, answered)
        train, validation, test = (known.filter(pa.array(mask)) for mask in masks.values())
        used = len(train) + len(validation) + len(test)
        return AdSplit(train, validation, test, left_out=len(table) - used)


@dataclass(frozen=True)
class AdSplit:
    """Rows of a training set, each with ``campaign_days``, the days that were left of its campaign.
    ``left_out``: how many ran over a border."""

    train: pa.Table
    validation: pa.Table
    test: pa.Table
    left_out: int


def with_days(table: pa.Table) -> pa.Table:
    """A training set's rows with ``campaign_days``, which the parts of a split have already."""
    if DAYS in table.column_names:
        return table
    begins = "shown_at" if "shown_at" in table.column_names else "starts_at"
    return _with_days(table, _moments(table, begins), _moments(table, "answered_at"))


def offered_now(candidates: pa.Table) -> pa.Table:
    """Rows of ``ad_candidates`` as ``ad_responses`` has them: shown now, known when they end."""
    ends = candidates["ends_on"].cast(pa.timestamp("us"))
    names = {"offer_id": "impression_id", "feature_at": "shown_at"}
    shown = candidates.drop_columns(["ends_on"]).rename_columns(names)
    return shown.append_column("answered_at", ends)


def labels(table: pa.Table, part: str) -> np.ndarray:
    """label_N, 1.0 where the ad was answered. Raises DataError when all or none were."""
    label_N = table["converted"].cast(pa.float64()).to_numpy()
    if label_N.min() == label_N.max():
        who = "every user" if label_N[0] else "no user"
        raise DataError(
            f"the {part} ads have one class only: {who} of {len(label_N)} answered",
            "check what the source lands as converted and clicked, or wait for other answers",
        )
    return label_N


def left_out_columns(table: pa.Table) -> frozenset[str]:
    """The columns that are no feature."""
    times = {name for name in table.column_names if name.endswith("__feature_time")}
    return NOT_FEATURES | times


def _begin(shown_N: np.ndarray, least: float) -> np.datetime64:
    """The latest time such that at least so many were shown from then on; else the first."""
    times, counts = np.unique(shown_N, return_counts=True)
    later = np.cumsum(counts[::-1])[::-1]
    enough = np.flatnonzero(later >= least)
    return times[enough[-1]] if len(enough) else times[0]


def _datetime(moment: np.datetime64) -> datetime:
    return moment.astype("datetime64[us]").astype(datetime)


def _moments(table: pa.Table, column: str) -> np.ndarray:
    return table[column].cast(pa.timestamp("us")).to_numpy()


def _with_days(table: pa.Table, shown: np.ndarray, answered: np.ndarray) -> pa.Table:
    days = (answered - shown) / np.timedelta64(1, "D")
    return table.append_column(DAYS, pa.array(days, pa.float64()))


def users(table: pa.Table) -> np.ndarray:
    """user_N, a number for each user."""
    return pc.dictionary_encode(table["user_id"].combine_chunks()).indices.to_numpy()
