"""What ads were shown today, counted in one small file that all servers of a home share.

A server holds the file while it reads the counts, chooses and writes what it chose: so caps and
budgets hold, however many servers there are and whenever one is killed. The log of impressions is
written afterwards; a server that is killed in between has counted an ad that was not shown, never
the other way.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

WAIT = 5.0  # seconds for another server that chooses

_TABLE = """
    CREATE TABLE IF NOT EXISTS shown (
        day TEXT, moment INTEGER, ad_id TEXT, user_id TEXT, times INTEGER,
        PRIMARY KEY (day, user_id, ad_id, moment)
    ) WITHOUT ROWID
"""
_BY_MOMENT = "CREATE INDEX IF NOT EXISTS by_moment ON shown (day, moment, ad_id, times)"


@dataclass(frozen=True)
class Counts:
    """Of one day, while the file is held."""

    connection: sqlite3.Connection
    day: str

    def of_user(self, user_id: str) -> dict[str, int]:
        """Times that a user was shown each ad."""
        rows = self.connection.execute(
            "SELECT ad_id, sum(times) FROM shown WHERE day = ? AND user_id = ? GROUP BY ad_id",
            (self.day, user_id),
        )
        return dict(rows.fetchall())

    def by_moment(self, ad_ids: tuple[str, ...], moments: int) -> list[list[int]]:
        """Times that each ad was shown in each moment, a list a moment."""
        found = [[0] * len(ad_ids) for _ in range(moments)]
        place = {ad_id: at for at, ad_id in enumerate(ad_ids)}
        for moment, ad_id, times in self.connection.execute(
            "SELECT moment, ad_id, sum(times) FROM shown WHERE day = ? GROUP BY moment, ad_id",
            (self.day,),
        ):
            if ad_id in place:
                found[moment][place[ad_id]] = times
        return found

    def add(self, user_id: str, ad_ids: list[str], moment: int) -> None:
        """Count these as shown once more."""
        self.connection.executemany(
            "INSERT INTO shown VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1",
            [(self.day, moment, ad_id, user_id) for ad_id in ad_ids],
        )


@contextmanager
def counted(path: Path, now: datetime) -> Iterator[Counts]:
    """The counts of a day (UTC), held until the block ends; what it added is then durable.

    Days that are over are forgotten.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=WAIT, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_TABLE)
        connection.execute(_BY_MOMENT)
        day = now.date().isoformat()
        connection.execute("DELETE FROM shown WHERE day < ?", (day,))
        yield Counts(connection, day)
        connection.execute("COMMIT")
