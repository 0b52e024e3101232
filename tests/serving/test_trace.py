"""A release is traced to its runs, its snapshot and the landed files."""

from typing import Any

import pytest

from penchant.errors import UsageError
from penchant.publishing.publish import publish
from penchant.releases.trace import trace

ONE = "s-20180102-000000000001"


def test_release_names_its_runs_and_snapshot(shop: Any) -> None:
    live = publish(shop.settings, ONE)
    traced = trace(shop.settings, None)
    assert (traced.release_id, traced.snapshot_id) == (live.release_id, ONE)
    assert set(traced.runs) == {"ranker", "retriever", "prior"}
    assert ONE in traced.render() and live.release_id in traced.render()
    with pytest.raises(UsageError, match="release r-0 is not in"):
        trace(shop.settings, "r-0")
