"""The sum of two boosters is a booster, for LightGBM and for serving."""

import lightgbm as lgb
import numpy as np

from penchant.ranking.tree_ensemble import TreeEnsemble
from training.layers.ranking.tree_sums import summed


def test_sum_scores_as_its_parts_do() -> None:
    random = np.random.default_rng(3)
    features_CF = random.normal(size=(400, 4)).astype(np.float32)
    features_CF[random.random(features_CF.shape) < 0.1] = np.nan
    label_C = np.nan_to_num(features_CF[:, 0]) > 0.5
    data = lgb.Dataset(features_CF, label_C.astype(float), group=[50] * 8)
    boosters = [
        lgb.train({"objective": objective, "num_leaves": 4, "verbosity": -1}, data, trees)
        for objective, trees in (("lambdarank", 3), ("rank_xendcg", 5))
    ]
    both = summed(boosters, [1.0, 0.3])
    expected_C = boosters[0].predict(features_CF) + 0.3 * boosters[1].predict(features_CF)
    assert both.num_trees() == 8
    np.testing.assert_allclose(both.predict(features_CF), expected_C, rtol=1e-12)
    served = TreeEnsemble.of(both.model_to_string())
    np.testing.assert_allclose(served.raw_scores(features_CF), expected_C, rtol=1e-12)
    shares = [one.feature_importance("gain") for one in boosters]
    np.testing.assert_allclose(
        both.feature_importance("gain"), sum(share / share.sum() for share in shares), rtol=1e-6
    )
