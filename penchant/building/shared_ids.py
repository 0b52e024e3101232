"""Ids that two sources have in common: one person or product, or two of the same name.

Events of the feedback log are meant to have the ids of the shop that they come from. Two other
sources in one home, such as two shops, each count from 1: their users and items are merged.
"""

from itertools import combinations
from pathlib import Path

import yaml

from penchant.encryption.duckdb_connection import connect

FEEDBACK = "feedback"
KINDS = {"user_id": "users", "item_id": "items"}


def shared_ids(warehouse: Path, dbt_project: Path, sources: list[str]) -> tuple[str, ...]:
    """A sentence for each two sources whose events have user ids or item ids in common."""
    project = yaml.load((dbt_project / "dbt_project.yml").read_text(), yaml.CSafeLoader)
    models = project["vars"]["canonical_models"]["events"]
    shops = [source for source in sources if source != FEEDBACK and source in models]
    if len(shops) < 2:
        return ()
    found = []
    with connect(warehouse, str(warehouse), read_only=True) as connection:
        for one, other in combinations(shops, 2):
            for column, kind in KINDS.items():
                (count,) = connection.execute(
                    f"select count(*) from (select {column} from {models[one]} intersect "
                    f"select {column} from {models[other]}) where {column} is not null"
                ).fetchall()[0]
                if count:
                    found.append(f"{count:,} {kind} of {one} and {other} have the same {column}")
    if not found:
        return ()
    remedy = "if they are not, name the `source` in one's mapping, or use a PENCHANT_HOME each"
    return (*found, f"they are taken for the same; {remedy}")
