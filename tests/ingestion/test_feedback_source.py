"""Landing the feedback log: once, and invalid rows are quarantined."""

import duckdb
import pytest
from logged_feedback import CANDIDATES, FIRST, SLATES, impression, log_feedback

from penchant.errors import DataError, NothingToDo
from penchant.feedback.log import FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.settings import Settings


def rows(settings: Settings, table: str) -> int:
    files = settings.landing / "feedback" / table / "*" / "data.parquet"
    return duckdb.execute(f"select count(*) from read_parquet('{files}')").fetchall()[0][0]


def test_log_lands_and_is_emptied(settings: Settings) -> None:
    log_feedback(settings)
    report = ingest(settings, "feedback")
    assert (len(report.landed), report.quarantined) == (3, [])
    assert rows(settings, "impressions") == 2 * SLATES
    with pytest.raises(NothingToDo):
        ingest(settings, "feedback")
    log = FeedbackLog.of(settings)
    assert not any(log.sealed(table) for table in ("impressions", "propensities", "events"))


def test_later_log_file_is_a_new_batch(settings: Settings) -> None:
    log_feedback(settings)
    ingest(settings, "feedback")
    later = impression(SLATES, 0, CANDIDATES[0], 0.5, FIRST)
    FeedbackLog.of(settings).append("impressions", [later])
    assert len(ingest(settings, "feedback").landed) == 1
    assert rows(settings, "impressions") == 2 * SLATES + 1


def test_quarantines_zero_propensity(settings: Settings) -> None:
    log_feedback(settings)
    impossible = impression(SLATES, 0, CANDIDATES[0], 0.0, FIRST)
    FeedbackLog.of(settings).append("impressions", [impossible])
    (quarantined,) = ingest(settings, "feedback").quarantined
    assert quarantined["table"] == "impressions"
    assert {reason["column"] for reason in quarantined["reasons"]} == {"propensity"}


def test_quarantines_log_without_propensity_column(
    settings: Settings,
) -> None:
    incomplete = impression(SLATES, 0, CANDIDATES[0], 0.5, FIRST)
    del incomplete["propensity"]
    FeedbackLog.of(settings).append("impressions", [incomplete])
    with pytest.raises(DataError, match="propensity: no column propensity"):
        ingest(settings, "feedback")
