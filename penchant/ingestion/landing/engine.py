"""The in-memory DuckDB that reads files."""

from collections.abc import Callable
from pathlib import Path

import duckdb


class Engine:
    """One database in memory for many files (opening one takes 70 ms).

    Some damaged Parquet files cause an internal error that makes a database unusable; it is then
    reopened. ``prepare`` is called with each connection that is opened.
    """

    def __init__(
        self,
        threads: int,
        spill: Path,
        prepare: Callable[[duckdb.DuckDBPyConnection], None] = lambda connection: None,
    ) -> None:
        self._threads = threads
        self._spill = spill
        self._prepare = prepare
        self._opened = self._open()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A working connection, reopened if the last file broke it."""
        try:
            self._opened.execute("SELECT 1")
        except duckdb.FatalException:
            self._opened.close()
            self._opened = self._open()
        return self._opened

    def close(self) -> None:
        self._opened.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(
            config={"threads": self._threads, "temp_directory": str(self._spill)}
        )
        connection.execute("SET TimeZone = 'UTC'")  # the time zone of text without an offset
        self._prepare(connection)
        return connection
