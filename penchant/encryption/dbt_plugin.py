"""dbt-duckdb's plugin: dbt reads and writes the encrypted files of a home."""

from pathlib import Path

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from penchant.encryption.duckdb_connection import prepare


class Plugin(BasePlugin):
    """Prepares dbt's connection."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        if self.creds is not None:
            prepare(conn, Path(self.creds.path))
