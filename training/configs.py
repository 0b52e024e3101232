"""The reference runs: one function each, giving the whole config of a family."""

from dataclasses import replace
from typing import Any

from training.family import reference_config


def main_job(family: str) -> Any:
    """The run that ``penchant train`` makes on a snapshot.

    The defaults of each family's ``Config`` are this run's. They were chosen on Complete Journey by
    NDCG@10 on the validation window, never on the test window.
    """
    return reference_config(family)


def published(table: str, family: str) -> Any:
    """The run that reproduces a published table: what differs there from the main job's.

    Chosen by NDCG@10 on each table's validation items, then frozen.
    """
    return replace(reference_config(family), **PUBLISHED[table].get(family, {}))


BEAUTY: dict[str, dict[str, Any]] = {}
SPORTS: dict[str, dict[str, Any]] = {}
PUBLISHED = {"beauty": BEAUTY, "sports": SPORTS}
