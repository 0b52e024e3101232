"""Off-policy evaluation of ways to select users, on campaigns that no model was fitted on.

Each way sends a campaign to as many users as it was sent to. Its value is estimated by doubly
robust evaluation of the logged campaigns, whose action is to send or not to send (training/
evaluation/metrics/off_policy.py), with the model alone where a weight is above 20. What an offer
adds is the value less that of sending to nobody, per offer sent. Intervals are over users, and
differences are paired. Where a campaign's propensity was not logged, it is estimated, and the
assumptions of training/layers/responses/uplift.py apply.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts.campaign import PolicyValue
from training.campaigns.uplift import Tuned, fit_uplift, running
from training.evaluation.metrics.intervals import FloatArray, ratio, statistic_intervals
from training.evaluation.metrics.off_policy import doubly_robust, logged
from training.layers.responses.ads import AdSplit, users
from training.layers.responses.uplift import residuals

CLIP = 20.0
UPLIFT, RESPONSE, RANDOM, DONE = "uplift", "response", "random", "what was done"


@dataclass(frozen=True)
class Comparison:
    """``offers``: sent by each way; ``users``: known at the campaigns."""

    values: dict[str, PolicyValue]
    offers: int
    users: int


def compare(split: AdSplit, outcome: str, tuned: Tuned, seed: int) -> Comparison:
    """Ways to select users for the test campaigns, by models of the campaigns before."""
    before = pa.concat_tables([split.train, split.validation])
    uplift = fit_uplift(before, outcome, tuned, seed, draws=0)
    test = split.test
    matrix_ND = uplift.design.matrix(test)
    effect_N = uplift.effects[0].of(matrix_ND) * tuned.saturation ** running(test)
    sent_N = test["sent"].cast(pa.float64()).to_numpy()
    chance_N = {
        UPLIFT: _first(test, sent_N, effect_N),
        RESPONSE: _first(test, sent_N, uplift.spending[0].of(matrix_ND)),
        RANDOM: _share(test, sent_N),
    }
    terms_N = _terms(test, outcome, effect_N, chance_N)
    return Comparison(
        _values(terms_N, {**chance_N, DONE: sent_N}, users(test), seed),
        int(sent_N.sum()),
        len(set(test["user_id"].to_pylist())),
    )


def _terms(
    test: pa.Table, outcome: str, effect_N: FloatArray, chance_N: dict[str, FloatArray]
) -> dict[str, FloatArray]:
    """Money of each row by each way, less that of sending to nobody."""
    residual = residuals(test, outcome)
    sent_N = test["sent"].cast(pa.float64()).to_numpy()
    spent_N = test[outcome].to_numpy()
    propensity_N = sent_N - residual.sent_N  # of being sent
    expected_N = spent_N - residual.spent_N
    # of each row's own action
    predicted_N = expected_N + residual.sent_N * effect_N
    action_N = np.where(sent_N > 0, propensity_N, 1 - propensity_N)

    def of(policy_N: FloatArray) -> FloatArray:
        log = logged(
            spent_N,
            action_N,
            np.where(sent_N > 0, policy_N, 1 - policy_N),
            predicted_N,
            expected_N + (policy_N - propensity_N) * effect_N,
        )
        return doubly_robust(log, threshold=CLIP)

    nobody_N = of(np.zeros(len(sent_N)))
    found = {name: of(policy_N) - nobody_N for name, policy_N in chance_N.items()}
    return {**found, DONE: spent_N - nobody_N}


def _values(
    terms_N: dict[str, FloatArray], chance_N: dict[str, FloatArray], user_N: np.ndarray, seed: int
) -> dict[str, PolicyValue]:
    names = tuple(terms_N)
    terms_NP = np.column_stack([terms_N[name] for name in names])
    chance_NP = np.column_stack([chance_N[name] for name in names])

    def statistic(weights_RN: FloatArray) -> FloatArray:
        added_RP = ratio(weights_RN @ terms_NP, weights_RN @ chance_NP)
        return np.hstack([added_RP, added_RP[:, :1] - added_RP])

    found = [asdict(each) for each in statistic_intervals(statistic, user_N, seed)]
    return {
        name: PolicyValue(added=found[place], difference=found[len(names) + place])
        for place, name in enumerate(names)
    }


def _first(test: pa.Table, sent_N: FloatArray, score_N: FloatArray) -> FloatArray:
    """1 for the highest scores of each campaign, as many as it was sent to; else 0."""
    chosen_N = np.zeros(len(score_N))
    for rows in _campaigns(test):
        best = rows[np.argsort(-score_N[rows], kind="stable")]
        chosen_N[best[: int(sent_N[rows].sum())]] = 1.0
    return chosen_N


def _share(test: pa.Table, sent_N: FloatArray) -> FloatArray:
    """The share of users that each row's campaign was sent to."""
    share_N = np.zeros(len(sent_N))
    for rows in _campaigns(test):
        share_N[rows] = sent_N[rows].mean()
    return share_N


def _campaigns(test: pa.Table) -> list[np.ndarray]:
    """The rows of each campaign."""
    campaign_N = pc.dictionary_encode(test["ad_id"].combine_chunks()).indices.to_numpy()
    return [np.flatnonzero(campaign_N == each) for each in range(int(campaign_N.max()) + 1)]
