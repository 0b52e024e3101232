"""A plugin of dbt-duckdb that profiles.yml names: the database for dbt by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt_common.exceptions import DbtRuntimeError

from penchant.building.by_hand import prepare
from penchant.encryption.dbt_plugin import Plugin as EncryptionPlugin
from penchant.errors import PenchantError
from penchant.settings import Settings


class Plugin(EncryptionPlugin):
    """Brings the copy of the last build's database up to date before dbt opens it."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Called by dbt-duckdb before it connects. ``creds.path``: HOME/by_hand/penchant.duckdb."""
        with _as_error_of_dbt():
            prepare(Settings(home=Path(creds.path).resolve().parent.parent))

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        with _as_error_of_dbt():
            super().configure_connection(conn)


@contextmanager
def _as_error_of_dbt() -> Iterator[None]:
    """dbt prints its own errors without a traceback."""
    try:
        yield
    except PenchantError as error:
        raise DbtRuntimeError(str(error)) from error
