"""A plugin of dbt-duckdb that profiles.yml names: attaches the previous build's database."""

import os

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin


class Plugin(BasePlugin):
    """Attaches it as ``previous``, see previous.py."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        if path := os.environ.get("PENCHANT_PREVIOUS"):
            quoted = path.replace("'", "''")
            conn.execute(f"ATTACH IF NOT EXISTS '{quoted}' AS previous (READ_ONLY)")
