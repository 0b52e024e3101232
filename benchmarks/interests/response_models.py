"""The models compared on responses: each predicts the same ads from the same rows."""

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
from training.data.training_sets import read_training_set
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

REPEATS = 3
OURS, PLAIN = "logistic_response", "logistic_response without crosses"
LINEAR = "scikit-learn LogisticRegression"
SAME = "scikit-learn LogisticRegression, our hashed matrix"
TREES = "scikit-learn HistGradientBoosting"
PENALTIES = logistic_response.Config().penalties
# Of Open Bandit's week, in the order of time; the rest is the test
SHARES = {"train": 0.5, "validation": 0.2}
OPEN_BANDIT = HashingConfig(
    buckets=8192,
    pairs=tuple((who, what) for who in open_bandit.USER_FEATURES for what in ("item", "position")),
    cross_scale=0.5,
)


def answers(data: str, model: str, home: str, snapshot_id: str) -> dict[str, Any]:
    """A model's probabilities of the test ads, and its seconds."""
    shown = ads(data, home, snapshot_id)
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        probability_N = MODELS[model](data, shown)
        seconds.append(time.perf_counter() - started)
    return {"probability": probability_N.tolist(), "seconds": statistics.median(seconds)}


def _hashing(data: str) -> HashingConfig:
    return OPEN_BANDIT if data == "open_bandit" else logistic_response.Config().hashing


def _ours(data: str, ads: AdSplit, crosses: bool = True) -> np.ndarray:
    hashing = _hashing(data) if crosses else replace(_hashing(data), across=(), pairs=())
    family = logistic_response.Model(replace(logistic_response.Config(), hashing=hashing))
    family.learn(ads.train, ads.validation, context({}))
    return family.probabilities(ads.test)


def _tuned(
    model: Callable[[Any], Any], settings: tuple, ads: AdSplit, inputs: tuple[Any, Any, Any]
) -> np.ndarray:
    """The test's probabilities by the setting that is best on the calibrated validation ads.

    ``model`` makes an unfitted classifier of a setting; ``inputs``: training, validation and test.
    Penalties are lowered while it helps, as in ours; of the trees all settings are tried.
    """
    label_N, held_N = labels(ads.train, "training"), labels(ads.validation, "validation")
    train, held, test = inputs
    best, predicted = np.inf, None
    for setting in settings:
        logit = model(setting).fit(train, label_N).decision_function
        held_logit_N = logit(held)
        scale = platt(held_logit_N, held_N)
        loss = float(log_loss(held_N, scale.of(held_logit_N)).mean())
        if loss < best:
            best, predicted = loss, scale.of(logit(test))
        elif settings is PENALTIES:
            break
    assert predicted is not None
    return predicted


def _logistic(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1 / penalty, max_iter=1000)


def _linear(data: str, ads: AdSplit) -> np.ndarray:
    """As in its manual: numbers standardised, texts one-hot encoded."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    prepare = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="object")),
    )
    train, held, test = (frame(part, ads.train) for part in (ads.train, ads.validation, ads.test))
    inputs = prepare.fit_transform(train), prepare.transform(held), prepare.transform(test)
    return _tuned(_logistic, PENALTIES, ads, inputs)


def _same(data: str, ads: AdSplit) -> np.ndarray:
    design = HashedDesign.of(ads.train, left_out_columns(ads.train), _hashing(data))
    train, held, test = (design.matrix(part) for part in (ads.train, ads.validation, ads.test))
    return _tuned(_logistic, PENALTIES, ads, (train, held, test))


def _trees(data: str, ads: AdSplit) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    def trees(setting: dict[str, Any]) -> Any:
        return HistGradientBoostingClassifier(
            categorical_features="from_dtype", early_stopping=False, random_state=0, **setting
        )

    train, held, test = (
        frame(part, ads.train, "category") for part in (ads.train, ads.validation, ads.test)
    )
    return _tuned(trees, TREE_SETTINGS, ads, (train, held, test))


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
    """Every impression of both policies in the order of time, with features of user and item."""
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
        *(nothing, nothing, torch.device("cpu"), 0, budget, Path()), training_set=sets.__getitem__
    )


def frame(part: pa.Table, train: pa.Table, texts: str = "object") -> Any:
    """The features with a value in ``train``, as a data frame; ``texts``: their dtype."""
    left_out = left_out_columns(train)
    names = [
        name
        for name in train.column_names
        if name not in left_out and train[name].null_count < len(train)
    ]
    frame = part.select(names).to_pandas()
    kinds = {name: texts for name in names if frame[name].dtype.kind not in "iuf"}
    return frame.astype(kinds)
