"""Serving computes the same policy features as training."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from planted import ITEMS, USERS

from penchant.artifacts import Snapshot
from penchant.bandits.context_features import DAY, FEATURE_NAMES, TimedSums, feature_matrix
from penchant.releases.context_features import PublishedContext, write_policy_facts
from penchant.settings import Settings
from training.data.histories import read_dataset
from training.data.policy_log import read_policy_log
from training.layers.action_features import action_features, context_counts

Trained = tuple[Settings, str]


def test_serving_features_equal_training_features(planted: Trained, tmp_path: Path) -> None:
    snapshot = Snapshot.open(*planted)
    log_mart = pq.read_table(snapshot.mart("policy_log"))
    pq.write_table(log_mart, snapshot.mart("impressions"))
    write_policy_facts(snapshot, tmp_path)
    served = PublishedContext.open(tmp_path)

    dataset = read_dataset(snapshot)
    log = read_policy_log(snapshot, dataset)
    facts = context_counts(dataset.histories, dataset.items, log)
    assert dataset.histories.end % DAY == 0
    told = set()
    for user in (0, 7, USERS - 1):
        learned = facts.features(
            np.array([user]),
            np.arange(ITEMS)[None],
            np.array([dataset.histories.end]),
            np.zeros(1, np.int64),
            np.arange(float(ITEMS))[None],
            np.ones((1, ITEMS), bool),
        )
        answered = served.features(dataset.user_ids[user], dataset.item_ids)
        for name, values in vars(learned).items():
            np.testing.assert_array_equal(getattr(answered, name), values, err_msg=name)
        features_CD = feature_matrix(answered)[0]
        told |= {
            name for name, one_C in zip(FEATURE_NAMES, features_CD.T, strict=True) if one_C.any()
        }
    assert told == set(FEATURE_NAMES) - {"position"}, (
        "a feature that is always nothing proves nothing"
    )


def test_unknown_user_and_item_have_no_history(planted: Trained, tmp_path: Path) -> None:
    write_policy_facts(Snapshot.open(*planted), tmp_path)
    asked = PublishedContext.open(tmp_path).features("a stranger", ["i000", "zzz new"])
    assert asked.events_B[0] == 0 and not asked.bought_BC.any() and not asked.interest_BC.any()
    assert asked.popularity_BC[0, 0] > asked.popularity_BC[0, 1]
    assert np.isfinite(feature_matrix(asked)).all()


def test_features_of_an_action_exclude_its_day(planted: Trained) -> None:
    snapshot = Snapshot.open(*planted)
    dataset = read_dataset(snapshot)
    log = read_policy_log(snapshot, dataset)
    late = log.times_N >= log.times_N[len(log) // 2] // DAY * DAY
    early = log.take(np.flatnonzero(~late))
    all_ND = action_features(context_counts(dataset.histories, dataset.items, log), early)
    then = dataset.histories.before(int(early.times_N.max()) // DAY * DAY + DAY)
    then_ND = action_features(context_counts(then, dataset.items, early), early)
    np.testing.assert_array_equal(all_ND, then_ND)


def test_interval_sums_equal_values_by_hand() -> None:
    random = np.random.default_rng(0)
    keys_N, times_N = random.integers(0, 9, 300), random.integers(100, 200, 300)
    weights_N = random.random(300)
    tally = TimedSums.of(keys_N, times_N, weights_N)
    keys_X, start_X, end_X = random.integers(-2, 12, 200), *random.integers(90, 210, (2, 200))
    end_X = np.maximum(start_X, end_X)
    expected = [
        weights_N[(keys_N == key) & (times_N >= start) & (times_N < end)].sum()
        for key, start, end in zip(keys_X, start_X, end_X, strict=True)
    ]
    np.testing.assert_allclose(tally.between(keys_X, start_X, end_X), expected, atol=1e-12)
    totals = tally.totals(120, 150)
    by_hand = tally.between(keys_X, np.full(200, 120), np.full(200, 150))
    np.testing.assert_allclose(totals.between(keys_X, start_X, end_X), by_hand, atol=1e-12)
