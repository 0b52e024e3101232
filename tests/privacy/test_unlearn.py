"""From a request to a release that never knew the person, with the real stages."""

from datetime import datetime

import pyarrow.parquet as pq
import pytest

from penchant.artifacts import ErasureReceipt, Snapshot
from penchant.commands.unlearn import unlearn
from penchant.errors import NothingToDo
from penchant.features.materialize import materialize
from penchant.privacy.erase import erase, finish, receipt_path
from penchant.privacy.mentions import files_that_mention
from penchant.publishing.publish import publish
from penchant.releases.release import Release
from penchant.settings import Settings
from training.commands.select_models import select_models
from training.commands.train import train
from training.commands.unlearning import record_unlearning
from training.names import UNLEARNS

NOW = datetime(2026, 3, 1)


def published(settings: Settings) -> str:
    """Publish all families that unlearn exactly, on the live snapshot; return its id."""
    snapshot_id = str(settings.live_snapshot.current())
    materialize(settings, snapshot_id)
    for family in UNLEARNS:
        train(settings, snapshot_id, family)
    select_models(settings, snapshot_id, UNLEARNS)
    publish(settings, snapshot_id)
    return snapshot_id


@pytest.mark.long
def test_all_models_of_the_next_release_are_exactly_unlearned(checked_home: Settings) -> None:
    settings = checked_home
    before = published(settings)
    with pytest.raises(NothingToDo, match="no erasure waits"):
        unlearn(settings)
    sequences = Snapshot.open(settings, before).mart("sequences")
    first, *_, last = pq.read_table(sequences, columns=["user_id"])["user_id"].to_pylist()
    requests = erase(settings, [first, last], NOW).request_ids

    report = unlearn(settings)
    release = Release.open(settings, report.release_id)
    assert release.manifest.snapshot_id == report.snapshot_id != before
    with pytest.raises(NothingToDo, match="nothing that is live"):
        unlearn(settings)
    record_unlearning(settings)
    finish(settings, NOW)

    receipt = ErasureReceipt.read(receipt_path(settings, requests[0]))
    ways = {model.family: model.how.partition(":")[0] for model in receipt.models}
    assert ways == dict.fromkeys(UNLEARNS, "exactly unlearned")
    assert not list(files_that_mention(settings.home, [first, last], [settings.privacy]))
    assert not (settings.snapshots / before).exists()
