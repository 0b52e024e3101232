"""The DuckDB that reads files and keeps nothing."""

from pathlib import Path

import duckdb


class Engine:
    """One database in memory for many files (opening one takes 70 ms).

    Some damaged Parquet files end in an internal error of DuckDB, after which a database answers
    nothing more: such a one is replaced.
    """

    def __init__(self, threads: int, spill: Path) -> None:
        self._threads = threads
        self._spill = spill
        self._opened = self._open()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection that works, whatever the file before did to it."""
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
        connection.execute("SET TimeZone = 'UTC'")  # how a text without an offset is read
        return connection
