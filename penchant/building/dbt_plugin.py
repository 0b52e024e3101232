"""A plugin of dbt-duckdb that profiles.yml names: the database for dbt by hand."""

from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.credentials import DuckDBCredentials

from penchant.building.by_hand import prepare
from penchant.encryption.dbt_plugin import Plugin as EncryptionPlugin
from penchant.settings import Settings


class Plugin(EncryptionPlugin):
    """Brings the copy of the last build's database up to date before dbt opens it."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Called by dbt-duckdb before it connects. ``creds.path``: HOME/by_hand/penchant.duckdb."""
        prepare(Settings(home=Path(creds.path).resolve().parent.parent))
