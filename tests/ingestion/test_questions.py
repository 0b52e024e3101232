"""Customers' questions land as any table of people: pseudonyms, export, erasure and retention."""

from pathlib import Path

import duckdb
import pytest

from penchant.errors import DataError
from penchant.ingestion.ingest import ingest
from penchant.privacy import stored
from penchant.privacy.retention import terms
from penchant.pseudonyms import Pseudonyms
from penchant.settings import Settings

MAPPING = """
tables:
  questions:
    path: q.csv
    columns: {question_id: id, user_id: user, item_id: item, text: q, answer: a, asked_at: at}
"""
HEADER = "id,user,item,q,a,at\n"


def land(settings: Settings, folder: Path, rows: str) -> Path:
    (folder / "m.yml").write_text(MAPPING)
    (folder / "q.csv").write_text(HEADER + rows)
    (batch,) = ingest(settings, "files", mapping=folder / "m.yml").landed
    return Path(batch["path"]) / "data.parquet"


def test_questions_of_users_and_guests_land(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"pseudonyms": True})
    rows = "1,ann,lamp,Which bulb?,E27,2024-01-01 08:00:00\n2,,,Do you ship?,,2024-01-02 09:00:00\n"
    landed = land(settings, tmp_path, rows)
    found = duckdb.execute(f"SELECT user_id, item_id, answer FROM '{landed}'").fetchall()
    coder = Pseudonyms(settings).establish()
    assert coder is not None
    assert found == [(coder.of("ann"), "lamp", "E27"), (None, None, None)]
    (of_ann,) = (
        table
        for table in stored.stored_tables([coder.of("ann")], set())
        if (table.source, table.table) == ("files", "questions")
    )
    assert stored.erase_landed(settings, of_ann) == 1
    assert duckdb.execute(f"SELECT question_id FROM '{landed}'").fetchall() == [("2",)]


def test_a_question_without_text_is_quarantined(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="text"):
        land(settings, tmp_path, "1,ann,lamp,,E27,2024-01-01 08:00:00\n")


def test_questions_end_with_their_term(settings: Settings) -> None:
    kept = settings.model_copy(update={"retention_days": 30})
    found = {(term.source, term.table): term.column for term in terms(kept)}
    assert found["files", "questions"] == found["simulator", "questions"] == "asked_at"
