"""What an edit of the feature marts does to the models of ad responses and of uplift.

``logistic_response`` and ``linear_response`` are fitted on the features as they are live and as
edited, and both are evaluated on the validation ads. Their penalties are tuned on the same ads, so
both figures are a little too good; the difference is fair. The test ads are not looked at.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.errors import DataError, NothingToDo
from penchant.settings import Settings
from training.commands.compare_features import Change, change_of
from training.commands.train import context_for, interactions
from training.data.histories import read_dataset
from training.data.split import split_by_time
from training.evaluation.metrics.intervals import FloatArray
from training.evaluation.metrics.log_loss import log_loss
from training.families import linear_response, logistic_response
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.progress import Recorder
from training.layers.responses.ads import RESPONSES, SPENDING, AdSplit, AdWindows, labels, users
from training.layers.responses.uplift import residuals

KEYS = {RESPONSES: "impression_id", SPENDING: "offer_id"}
Tables = Mapping[str, pa.Table]
"""Training sets by name, with the features of the service ``response``."""


@dataclass(frozen=True)
class ResponseComparison:
    """``figures``: name -> change of a loss, over users with an ad in the validation window.
    ``missing``: why one isn't there."""

    figures: dict[str, Change]
    missing: tuple[str, ...]
    seconds: float


def compare_responses(
    settings: Settings, live: Snapshot, before: Tables, after: Tables
) -> ResponseComparison:
    """Fit and evaluate both models on two versions of the training sets of one snapshot's ads.

    Raises DataError where the versions have other ads, NothingToDo where none can be learned from,
    and BudgetExceeded.
    """
    started = time.monotonic()
    for name, key in KEYS.items():
        if before[name][key] != after[name][key]:
            raise DataError(f"the rows of {name} change", "compare the models after a build")
    dataset = read_dataset(live)
    split = split_by_time(dataset.histories)
    budget = Budget.of(settings, interactions(live))
    recorder = Recorder("logistic_response", budget)
    context = context_for(settings, live, dataset, split, recorder, "responses")
    windows = AdWindows.of(before[RESPONSES])
    figures, missing = {}, []
    losses: dict[str, tuple[str, Callable[[AdSplit, TrainingContext], FloatArray]]] = {
        "log loss of responses": (RESPONSES, _response_loss),
        "squared error of uplift": (SPENDING, _uplift_loss),
    }
    for figure, (name, loss) in losses.items():
        try:
            sides = [loss(windows.split(tables[name]), context) for tables in (before, after)]
        except DataError as error:
            missing.append(f"no {figure}: {error.cause}")
        else:
            figures[figure] = change_of(np.stack(sides), settings.seed)
    if not figures:
        raise NothingToDo("; ".join(missing), "wait for more campaigns to end")
    return ResponseComparison(figures, tuple(missing), round(time.monotonic() - started, 1))


def _response_loss(ads: AdSplit, context: TrainingContext) -> FloatArray:
    """loss_U of whether the ads were answered."""
    model = logistic_response.Model(logistic_response.Config())
    model.learn(ads.train, ads.validation, context)
    label_N = labels(ads.validation, "validation")
    return _of_users(ads.validation, log_loss(label_N, model.probabilities(ads.validation)))


def _uplift_loss(ads: AdSplit, context: TrainingContext) -> FloatArray:
    """loss_U of the effect, in squared money: the R-learner's."""
    model = linear_response.Model(linear_response.Config())
    model.learn(ads.train, ads.validation, context)
    held = residuals(ads.validation, model.config.outcome)
    effect_N = model.responses(ads.validation).numpy()
    return _of_users(ads.validation, (held.spent_N - held.sent_N * effect_N) ** 2)


def _of_users(table: pa.Table, value_N: FloatArray) -> FloatArray:
    """The mean of each user's rows."""
    user_N = users(table)
    mean_U: FloatArray = np.bincount(user_N, weights=value_N) / np.bincount(user_N)
    return mean_U
