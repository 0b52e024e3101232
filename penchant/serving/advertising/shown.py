"""Counts of today's ad impressions, in one SQLite file that all servers of a home share.

A server locks the file while it reads the counts, selects ads and writes them back: caps and
budgets hold with any number of servers, also if one is killed. The impressions are logged
afterwards; a server killed in between has counted an ad that was not shown, never the reverse.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from penchant.encryption.store import opened_alone

_TABLE = """
    CREATE TABLE IF NOT EXISTS shown (
        day TEXT, period INTEGER, ad_id TEXT, user_id TEXT, times INTEGER,
        PRIMARY KEY (day, user_id, ad_id, period)
    ) WITHOUT ROWID
"""
_BY_MOMENT = "CREATE INDEX IF NOT EXISTS by_period ON shown (day, period, ad_id, times)"


@dataclass(frozen=True)
class Counts:
    """Counts of one day, while the file is locked."""

    connection: sqlite3.Connection
    day: str

    def of_user(self, user_id: str) -> dict[str, int]:
        """Impressions of each ad to a user."""
        rows = self.connection.execute(
            "SELECT ad_id, sum(times) FROM shown WHERE day = ? AND user_id = ? GROUP BY ad_id",
            (self.day, user_id),
        )
        return dict(rows.fetchall())

    def by_period(self, ad_ids: tuple[str, ...], periods: int) -> list[list[int]]:
        """Impressions of each ad, a list per period."""
        found = [[0] * len(ad_ids) for _ in range(periods)]
        place = {ad_id: at for at, ad_id in enumerate(ad_ids)}
        for period, ad_id, times in self.connection.execute(
            "SELECT period, ad_id, sum(times) FROM shown WHERE day = ? GROUP BY period, ad_id",
            (self.day,),
        ):
            if ad_id in place:
                found[period][place[ad_id]] = times
        return found

    def add(self, user_id: str, ad_ids: list[str], period: int) -> None:
        """Count one more impression of each ad."""
        self.connection.executemany(
            "INSERT INTO shown VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1",
            [(self.day, period, ad_id, user_id) for ad_id in ad_ids],
        )


@contextmanager
def counted(path: Path, now: datetime) -> Iterator[Counts]:
    """The counts of a day (UTC), locked until the block ends; additions are then durable.

    Counts of past days are deleted.
    """
    with opened_alone(path, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_TABLE)
        connection.execute(_BY_MOMENT)
        day = now.date().isoformat()
        connection.execute("DELETE FROM shown WHERE day < ?", (day,))
        yield Counts(connection, day)
        connection.execute("COMMIT")
