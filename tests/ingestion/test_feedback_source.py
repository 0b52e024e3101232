"""The feedback log lands: once, whole, and what can't be true is quarantined."""

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


def test_the_log_lands_and_is_emptied(settings: Settings) -> None:
    log_feedback(settings)
    report = ingest(settings, "feedback")
    assert (len(report.landed), report.quarantined) == (3, [])
    assert rows(settings, "impressions") == 2 * SLATES
    with pytest.raises(NothingToDo):
        ingest(settings, "feedback")
    log = FeedbackLog.of(settings)
    assert not any(log.sealed(table) for table in ("impressions", "propensities", "events"))


def test_what_comes_later_is_a_batch_of_its_own(settings: Settings) -> None:
    log_feedback(settings)
    ingest(settings, "feedback")
    later = impression(SLATES, 0, CANDIDATES[0], 0.5, FIRST)
    FeedbackLog.of(settings).append("impressions", [later])
    assert len(ingest(settings, "feedback").landed) == 1
    assert rows(settings, "impressions") == 2 * SLATES + 1


def test_a_propensity_of_zero_is_quarantined(settings: Settings) -> None:
    log_feedback(settings)
    impossible = impression(SLATES, 0, CANDIDATES[0], 0.0, FIRST)
    FeedbackLog.of(settings).append("impressions", [impossible])
    (refused,) = ingest(settings, "feedback").quarantined
    assert refused["table"] == "impressions"
    assert {reason["column"] for reason in refused["reasons"]} == {"propensity"}


def test_a_log_without_propensities_is_quarantined_and_says_what_is_missing(
    settings: Settings,
) -> None:
    silent = impression(SLATES, 0, CANDIDATES[0], 0.5, FIRST)
    del silent["propensity"]
    FeedbackLog.of(settings).append("impressions", [silent])
    with pytest.raises(DataError, match="propensity: no column propensity"):
        ingest(settings, "feedback")
