"""Materializing on a copy of the earlier online store gives what a new store has."""

import shutil
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest
from feature_home import OF_USERS, ROWS, write_snapshot

from penchant.artifacts import KeptRows, MartDescription, SnapshotDescription
from penchant.features import earlier
from penchant.features.materialize import materialize
from penchant.settings import Settings

A, B = "s-20180103-00000000000a", "s-20180104-00000000000b"
SINCE = datetime(2018, 1, 2)
LATER = {
    "user_category_statistics": "SELECT 'u' || (u + 18), 'c' || (k + 2), "
    "TIMESTAMP '2018-01-03', 0.5 FROM range(4) AS _(u), range(3) AS _(k)",
    "user_affinities": "SELECT 'u' || u, TIMESTAMP '2018-01-03', ['c1'], [0.25]::DOUBLE[] "
    "FROM range(3, 6) AS _(u)",
}
"""Rows of a day: of known and new entities."""


def snapshot(
    settings: Settings, snapshot_id: str, rows: dict[str, str], previous: str | None
) -> Path:
    """``rows``: mart -> SQL of its rows in place of those of feature_home."""
    folder = write_snapshot(settings, snapshot_id, marts=OF_USERS, rows=rows)
    described = {
        mart["name"]: MartDescription(
            rows=1,
            content_hash=str(hash(rows.get(mart["name"]))),
            kept=KeptRows(by="feature_at", since=SINCE) if previous else None,
        )
        for mart in OF_USERS
    }
    SnapshotDescription(
        id=snapshot_id, as_of=datetime(2018, 1, 4), previous=previous, marts=described
    ).write(folder / "snapshot.json")
    return folder


def online(settings: Settings, snapshot_id: str) -> list[str]:
    """All rows of an online store, as SQL."""
    with sqlite3.connect(settings.online / snapshot_id / "online.db") as connection:
        return sorted(connection.iterdump())


@pytest.mark.parametrize("arrives", ["a day", "a correction", "nothing"])
def test_a_day_on_a_copy_equals_a_new_store(
    settings: Settings, tmp_path: Path, arrives: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = {name: f"({ROWS[name]}) UNION ALL ({query})" for name, query in LATER.items()}
    before, after = {"a day": ({}, day), "a correction": (day, {}), "nothing": (day, day)}[arrives]
    snapshot(settings, A, before, None)
    materialize(settings, A)
    snapshot(settings, B, after, previous=A)
    cleared: list[str] = []
    clear = earlier.Earlier.clear
    monkeypatch.setattr(
        earlier.Earlier,
        "clear",
        lambda self, store, view: (cleared.append(view.name), clear(self, store, view)),
    )
    report = materialize(settings, B)
    assert cleared == [
        *(["user_category_statistics"] if arrives == "a correction" else []),  # users are gone
        "user_statistics",  # every row expires
    ]
    whole = settings.model_copy(update={"home": tmp_path / "whole"})
    shutil.copytree(settings.snapshots, whole.snapshots)
    assert materialize(whole, B).rows == report.rows
    assert online(whole, B) == online(settings, B)


def test_a_store_of_another_layout_is_not_copied(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot(settings, A, {}, None)
    materialize(settings, A)
    snapshot(settings, B, {}, previous=A)
    monkeypatch.setattr(earlier, "LAYOUT", earlier.LAYOUT + 1)
    monkeypatch.setattr(earlier.Earlier, "copy", lambda *_: pytest.fail("it was copied"))
    materialize(settings, B)
