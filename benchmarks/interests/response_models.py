"""The models of the table on responses: each from the same rows to the same ads' probabilities."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from penchant.artifacts import Snapshot
from penchant.ingestion.sources import open_bandit
from penchant.settings import Settings
from training.data.histories import read_training_set
from training.evaluation.metrics.log_loss import log_loss
from training.families import logistic_response
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.layers.responses.ads import (
    RESPONSES,
    SPENDING,
    AdSplit,
    AdWindows,
    labels,
    left_out_columns,
)
from training.layers.responses.calibration import platt
from training.layers.responses.hashing import HashedDesign, HashingConfig

TIMES = 3
OURS, PLAIN = "logistic_response", "logistic_response without crosses"
LINEAR = "scikit-learn LogisticRegression"
SAME = "scikit-learn LogisticRegression, our hashed matrix"
TREES = "scikit-learn HistGradientBoosting"
PENALTIES = logistic_response.Config().penalties
SHARES = {"train": 0.5, "validation": 0.2}
"""Of Open Bandit's week, in the order of time; the rest is the test."""
OPEN_BANDIT = HashingConfig(
    buckets=8192,
    pairs=tuple((who, what) for who in open_bandit.USER_FEATURES for what in ("item", "position")),
    cross_scale=0.5,
)


def answers(data: str, model: str, home: str, snapshot_id: str) -> dict[str, Any]:
    """A model's probabilities of the test ads, and the seconds that it took."""
    shown = ads(data, home, snapshot_id)
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        probability_N = MODELS[model](data, shown)
        seconds.append(time.perf_counter() - started)
    return {"probability": probability_N.tolist(), "seconds": statistics.median(seconds)}


def _config(data: str) -> logistic_response.Config:
    config = logistic_response.Config()
    return replace(config, hashing=OPEN_BANDIT) if data == "open_bandit" else config


def _ours(data: str, ads: AdSplit, crosses: bool = True) -> np.ndarray:
    config = _config(data)
    if not crosses:
        config = replace(config, hashing=replace(config.hashing, across=(), pairs=()))
    family = logistic_response.Model(config)
    family.learn(ads.train, ads.validation, context({}))
    return family.probabilities(ads.test)


def _tuned(
    fit: Callable[[Any], Callable[[Any], np.ndarray]],
    settings: tuple,
    inputs: tuple[Any, Any],
    held_N: np.ndarray,
) -> np.ndarray:
    """The test's probabilities by the setting that is best on the calibrated validation ads.

    ``fit`` gives, for a setting, what tells logits; ``inputs``: of the validation and test ads.
    Penalties are lowered for as long as it helps, as in ours; of the trees all settings are tried.
    """
    best, answer = np.inf, None
    for setting in settings:
        logit = fit(setting)
        held_logit_N = logit(inputs[0])
        scale = platt(held_logit_N, held_N)
        loss = float(log_loss(held_N, scale.of(held_logit_N)).mean())
        if loss < best:
            best, answer = loss, scale.of(logit(inputs[1]))
        elif settings is PENALTIES:
            break
    assert answer is not None
    return answer


def _linear(data: str, ads: AdSplit) -> np.ndarray:
    """As its manual has it: numbers standardised, texts as one column a value."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    prepare = make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="object")),
    )
    train, held, test = (frame(part, ads.train) for part in (ads.train, ads.validation, ads.test))
    matrix = prepare.fit_transform(train)
    label_N, held_N = labels(ads.train, "training"), labels(ads.validation, "validation")

    def fit(penalty: float) -> Callable[[Any], np.ndarray]:
        return (
            LogisticRegression(C=1 / penalty, max_iter=1000).fit(matrix, label_N).decision_function
        )

    inputs = prepare.transform(held), prepare.transform(test)
    return _tuned(fit, PENALTIES, inputs, held_N)


def _same(data: str, ads: AdSplit) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    design = HashedDesign.of(ads.train, left_out_columns(ads.train), _config(data).hashing)
    matrix, held, test = (design.matrix(part) for part in (ads.train, ads.validation, ads.test))
    label_N, held_N = labels(ads.train, "training"), labels(ads.validation, "validation")

    def fit(penalty: float) -> Callable[[Any], np.ndarray]:
        return (
            LogisticRegression(C=1 / penalty, max_iter=1000).fit(matrix, label_N).decision_function
        )

    return _tuned(fit, PENALTIES, (held, test), held_N)


def _trees(data: str, ads: AdSplit) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    train, held, test = (
        frame(part, ads.train, "category") for part in (ads.train, ads.validation, ads.test)
    )
    label_N, held_N = labels(ads.train, "training"), labels(ads.validation, "validation")

    def fit(setting: dict[str, Any]) -> Callable[[Any], np.ndarray]:
        trees = HistGradientBoostingClassifier(
            categorical_features="from_dtype", early_stopping=False, random_state=0, **setting
        )
        return trees.fit(train, label_N).decision_function

    return _tuned(fit, TREE_SETTINGS, (held, test), held_N)


TREE_SETTINGS = tuple(
    {"learning_rate": 0.05, "max_iter": rounds, "max_leaf_nodes": leaves, "l2_regularization": 1.0}
    for rounds in (30, 60, 120)
    for leaves in (4, 8, 16)
)
MODELS: dict[str, Callable[[str, AdSplit], np.ndarray]] = {
    OURS: _ours,
    PLAIN: lambda data, ads: _ours(data, ads, crosses=False),
    LINEAR: _linear,
    SAME: _same,
    TREES: _trees,
}


def sets(home: str, snapshot_id: str) -> dict[str, pa.Table]:
    snapshot = Snapshot.open(Settings().model_copy(update={"home": Path(home)}), snapshot_id)
    return {name: read_training_set(snapshot, name) for name in (RESPONSES, SPENDING)}


def ads(data: str, home: str, snapshot_id: str) -> AdSplit:
    if data == "complete_journey":
        responses = sets(home, snapshot_id)[RESPONSES]
        return AdWindows.of(responses).split(responses)
    shown = _open_bandit(Settings().model_copy(update={"home": Path(home)}))
    first = int(SHARES["train"] * len(shown))
    second = first + int(SHARES["validation"] * len(shown))
    return AdSplit(
        shown.slice(0, first), shown.slice(first, second - first), shown.slice(second), left_out=0
    )


def _open_bandit(settings: Settings) -> pa.Table:
    """Every impression of both policies in the order of time, with what was known of both sides."""
    file = open_bandit.wheel(settings)
    parts = []
    for campaign in open_bandit.CAMPAIGNS:
        items = open_bandit.items(file, campaign)
        for policy in open_bandit.POLICIES:
            shown = open_bandit.impressions(file, policy, campaign)
            item_N = shown["item_id"].to_numpy()
            clicks_NI = open_bandit.affinities(shown)
            columns = {
                "shown_at": shown["timestamp"],
                "converted": pa.array(shown["click"].to_numpy() == 1),
                "campaign": [campaign] * len(shown),
                "policy": [policy] * len(shown),
                "item": [f"{campaign}-{item}" for item in item_N],
                "position": shown["position"].cast(pa.string()),
                "clicks_of_item": clicks_NI[np.arange(len(shown)), item_N],
                "clicks": clicks_NI.sum(axis=1),
                **{name: shown[name] for name in open_bandit.USER_FEATURES},
                **{name: items[name].take(pa.array(item_N)) for name in open_bandit.ITEM_FEATURES},
            }
            parts.append(pa.table(columns))
    return pa.concat_tables(parts).sort_by("shown_at")


def context(sets: dict[str, pa.Table]) -> TrainingContext:
    nothing: Any = None
    budget = Budget(10**6, 10**6)
    return TrainingContext(
        *(nothing, nothing, torch.device("cpu"), 0, budget, Path()),
        training_set=sets.__getitem__,
    )


def frame(part: pa.Table, train: pa.Table, texts: str = "object") -> Any:
    """The features that ``train`` has a value of, as a data frame; texts of one kind."""
    left_out = left_out_columns(train)
    names = [
        name
        for name in train.column_names
        if name not in left_out and train[name].null_count < len(train)
    ]
    frame = part.select(names).to_pandas()
    kinds = {name: texts for name in names if frame[name].dtype.kind not in "iuf"}
    return frame.astype(kinds)
