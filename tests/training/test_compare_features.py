"""What an edit of features does to the ranking model."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted import plant
from planted_features import MART

from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.commands.compare_features import auc_of_users, compare_features


def edited(snapshot: Snapshot, folder: Path) -> Snapshot:
    """A copy in which a count of purchases is the days until the next one, which nobody knows."""
    shutil.copytree(snapshot.path, folder)
    copy = Snapshot(snapshot.id, folder)
    rows = pq.read_table(copy.mart(MART)).to_pylist()
    following: dict[tuple[str, str], datetime] = {}
    for row in sorted(rows, key=lambda row: row["feature_at"], reverse=True):
        pair = (row["user_id"], row["item_id"])
        later = following.get(pair, row["feature_at"] + timedelta(days=999))
        row["pair_purchase_days"] = (later - row["feature_at"]).days
        following[pair] = row["feature_at"]
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(copy.mart(MART))), copy.mart(MART))
    return copy


def test_an_informative_feature_ranks_better(settings: Settings, tmp_path: Path) -> None:
    live = Snapshot.open(settings, plant(settings))
    found = compare_features(settings, live, edited(live, tmp_path / "edited"))
    assert found.users == 60
    assert found.auc is not None and found.auc.difference.low > 0
    assert found.ndcg.difference.low > 0
    assert found.ndcg.after - found.ndcg.before == pytest.approx(found.ndcg.difference.mean)


def test_equal_features_make_no_difference(settings: Settings) -> None:
    live = Snapshot.open(settings, plant(settings))
    found = compare_features(settings, live, live)
    assert found.ndcg.difference.low == found.ndcg.difference.high == 0


def test_auc_equals_values_by_hand() -> None:
    row_C = np.array([2, 0, 0, 0, 2, 3])
    score_C = np.array([1.0, 3.0, 2.0, 2.0, 1.0, 9.0])
    label_C = np.array([True, False, True, False, False, True])
    # user 0: below 3, equal to 2; user 2: equal; user 3 has no other candidate, user 1 none at all
    np.testing.assert_array_equal(
        auc_of_users(row_C, score_C, label_C, 4), [0.25, np.nan, 0.5, np.nan]
    )
