"""A plugin of dbt-duckdb that profiles.yml names: a function for marts in parts.

See dbt/macros/external.sql. DuckDB itself makes no folders.
"""

import shutil
from pathlib import Path

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin


class Plugin(BasePlugin):
    """Registers the SQL function ``prepare_parts``."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        conn.create_function(
            "prepare_parts", prepare_parts, ["VARCHAR"], "BOOLEAN", side_effects=True
        )


def prepare_parts(folder: str) -> bool:
    """Create the empty folder of a mart, in place of what is there."""
    path = Path(folder)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.mkdir(parents=True)
    return True
