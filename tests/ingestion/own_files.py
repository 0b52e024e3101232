"""A shop's own file of events, ingested with a mapping."""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml

from penchant.ingestion.ingest import IngestReport, ingest
from penchant.settings import Settings

NOW = datetime(2025, 1, 1)
COLUMNS = {name: name for name in ("event_id", "user_id", "session_id", "item_id", "event_at")}
EVENTS: dict[str, Any] = {
    "path": "e.csv",
    "columns": {**COLUMNS, "value": "paid"},
    "constants": {"event_type": "purchase"},
}
HEADER = "event_id,user_id,session_id,item_id,event_at,paid\n"
ROW = "1,u,s,i,2024-07-01 10:00:00,9.5\n"


def run(
    settings: Settings, folder: Path, text: str | bytes = HEADER + ROW, **keys: Any
) -> IngestReport:
    """Ingest ``e.csv`` with this content, ``keys`` replacing those of the mapping."""
    (folder / "e.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "m.yml").write_text(yaml.safe_dump({"tables": {"events": {**EVENTS, **keys}}}))
    return ingest(settings, "files", mapping=folder / "m.yml", now=NOW)


def landed(settings: Settings, columns: str) -> list[tuple[Any, ...]]:
    batches = settings.landing / "files" / "events" / "*" / "data.parquet"
    return duckdb.execute(f"SELECT {columns} FROM '{batches}' ORDER BY event_id").fetchall()


def quarantined(settings: Settings, folder: Path, text: str, **keys: Any) -> dict[str, Any]:
    """The first reason of a file that is quarantined beside one that lands."""
    run(settings, folder)
    [found] = run(settings, folder, text, **keys).quarantined
    reason: dict[str, Any] = found["reasons"][0]
    return reason
