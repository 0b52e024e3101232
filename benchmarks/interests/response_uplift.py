"""Uplift of campaigns by the order of users of a model, and against the simulator's truth."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interests.response_models import OURS, TREES, context, frame, sets
from penchant.building.build import build
from penchant.features.training_sets import training_sets
from penchant.ingestion.ingest import ingest
from penchant.ingestion.simulated.campaigns import added_by_campaigns
from penchant.quality.check import check
from penchant.settings import Settings
from training.evaluation.response import uplift_figures
from training.families import linear_response, logistic_response
from training.layers.responses.ads import RESPONSES, SPENDING, AdSplit, AdWindows
from training.layers.responses.uplift import residuals

UPLIFTS = ("linear_response", OURS, TREES)
SIMULATED = {"users": 1500, "items": 60, "days": 240}
SIMULATED_SEED = 3


def uplift(model: str, home: str, snapshot_id: str) -> dict[str, Any]:
    """Uplift of the test campaigns in the order of a model."""
    tables = sets(home, snapshot_id)
    windows = AdWindows.of(tables[RESPONSES])
    offered = windows.split(tables[SPENDING])
    started = time.perf_counter()
    if model == TREES:
        score_N = _two_models(offered)
    else:
        family = {"linear_response": linear_response, OURS: logistic_response}[model]
        fitted = family.Model(family.Config())
        fitted.fit(None, context(tables))  # type: ignore[arg-type]
        score_N = fitted.responses(offered.test).numpy()
    seconds = time.perf_counter() - started
    figures = {
        outcome: uplift_figures(offered.test, score_N, residuals(offered.test, outcome), seed=0)
        for outcome in ("spend_after", "advertised_spend_after")
    }
    return {"seconds": seconds, **figures}


def _two_models(offered: AdSplit) -> np.ndarray:
    """Trees on the spending of treated users, less trees on that of the others."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    test = frame(offered.test, offered.train, "category")
    sent_N = offered.train["sent"].to_numpy(zero_copy_only=False)
    spent_N = offered.train["spend_after"].to_numpy()
    train = frame(offered.train, offered.train, "category")
    sides = [
        HistGradientBoostingRegressor(
            categorical_features="from_dtype", learning_rate=0.05, max_leaf_nodes=8, random_state=0
        )
        .fit(train[rows_N], spent_N[rows_N])
        .predict(test)
        for rows_N in (sent_N, ~sent_N)
    ]
    return sides[0] - sides[1]


def truth(home: str, snapshot_id: str) -> dict[str, Any]:
    """The simulator's effects against the linear family's, on what is advertised: the true effect
    on a view, times the user's orders in the year before.
    """
    from scipy.stats import spearmanr

    user_ids, added = added_by_campaigns(SIMULATED_SEED, **SIMULATED)
    row_of = {user: row for row, user in enumerate(user_ids)}
    tables = sets(home, snapshot_id)
    offered = AdWindows.of(tables[RESPONSES]).split(tables[SPENDING])
    config = linear_response.Config(outcome="advertised_spend_after")
    family = linear_response.Model(config)
    family.learn(offered.train, offered.validation, context(tables))
    test = offered.test
    pairs = zip(test["ad_id"].to_pylist(), test["user_id"].to_pylist(), strict=True)
    true_N = np.array([added[ad][row_of[user]] for ad, user in pairs])
    true_N = true_N * np.nan_to_num(test["user_statistics__orders_364d"].to_numpy())
    found_N = family.responses(test).numpy()
    figures = uplift_figures(test, found_N, residuals(test, "advertised_spend_after"), seed=0)
    best = uplift_figures(test, true_N, residuals(test, "advertised_spend_after"), seed=0)
    sent_N = test["sent"].to_numpy(zero_copy_only=False)
    spent_N = test["advertised_spend_after"].to_numpy()
    return {
        "rank_correlation": float(spearmanr(found_N, true_N).statistic),
        "ours": figures,
        "by_the_truth": best,
        "sent_less_not_sent": float(spent_N[sent_N].mean() - spent_N[~sent_N].mean()),
    }


def simulated(settings: Settings, home: Path) -> str:
    """Build training sets of a simulated shop in an empty home; return the snapshot's id."""
    own = settings.model_copy(update={"home": home, "seed": SIMULATED_SEED, "pseudonyms": False})
    ingest(own, source="simulator", **SIMULATED)
    snapshot_id = build(own).snapshot_id
    check(own, snapshot_id)
    training_sets(own, snapshot_id)
    return snapshot_id
