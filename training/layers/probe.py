"""A linear probe of a family's user vectors for interests: one logistic regression for each.

For families that are trained on another task, such as next items. The regression's features are the
vector, and the frequency and recency of the user's events of each interest. It is fitted at cut
points inside the training data, where vectors are optimistic: the family has learned from what
followed. Therefore probabilities are calibrated (Platt 1999) on the validation window, which the
family has not learned from.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import structlog
import torch
from scipy.optimize import minimize
from torch.nn import functional as F

from penchant.errors import DataError
from training.data.histories import Histories, IntArray, starts
from training.data.interest_labels import cut_points, find_interests, known, sums_by_interest
from training.data.split import Split, Window
from training.fitting.context import TrainingContext
from training.fitting.family import State

PREFIX = "probe."
HALF_LIVES_DAYS = (7.0, 30.0, 180.0)
USERS_AT_ONCE = 256
RIDGE = 1e-2  # of the weights, in the loss of one interest
CALIBRATION_RIDGE = 1e-3  # towards the calibration of all interests together
SHARES = (0.0, 0.25, 0.5, 1.0)  # of the vectors' part, tuned on validation
LEARNERS = 800  # users of a cut point at most whose vectors are learned from
FIT_STEPS, CALIBRATION_STEPS = 20, 30

Doubles = npt.NDArray[np.float64]
Vectors = Callable[[Histories], torch.Tensor]
"""Histories of B users -> vectors_BD, on any device."""

log = structlog.get_logger()


def no_vectors(batch: Histories) -> torch.Tensor:
    """For a probe of habits alone."""
    return torch.zeros(len(batch), 0)


@dataclass(frozen=True)
class Probe:
    """``interest_I``: of each item, see data/interest_labels.py. ``mean_F``, ``scale_F``: of the
    features. ``weight_FC`` and ``bias_C``: of the regressions, calibrated. ``share``: weight of the
    vectors' part. C = 0 where the catalogue has no interests."""

    interest_I: torch.Tensor
    mean_F: torch.Tensor
    scale_F: torch.Tensor
    weight_FC: torch.Tensor
    bias_C: torch.Tensor
    share: torch.Tensor

    def probabilities(self, vectors: Vectors, batch: Histories) -> torch.Tensor:
        """probability_BC that each interest is acted on in the window that begins at the end of the
        histories. Raises DataError where the catalogue has no interests."""
        if not len(self.bias_C):
            raise no_interests()
        return torch.sigmoid(
            self._logits(_features(vectors, batch, self.interest_I, len(self.bias_C)))
        )

    def record(self) -> dict[str, float]:
        """Its entries in the run record."""
        return {"vectors_share": self.share.item()}

    def state(self) -> State:
        return {f"{PREFIX}{name}": tensor for name, tensor in vars(self).items()}

    @classmethod
    def of(cls, state: State) -> "Probe":
        """From a family's state."""
        return cls(**{name: state[f"{PREFIX}{name}"] for name in cls.__dataclass_fields__})

    def _logits(self, read_BF: torch.Tensor) -> torch.Tensor:
        return (read_BF - self.mean_F) / self.scale_F @ self.weight_FC + self.bias_C


class Probes(NamedTuple):
    """``itself``: of vectors and habits; ``of_habits``: of the same users' habits alone."""

    itself: Probe
    of_habits: Probe


@runtime_checkable
class HasHabitProbe(Protocol):
    """A family whose ``fit`` found the probe of habits alone beside its own."""

    habits: Probe


def no_interests() -> DataError:
    """The error of a family that has learned no interests."""
    return DataError(
        "no interests were learned: the catalogue has fewer than two",
        "give the items categories, and fit the family again",
    )


def without_probe(state: State) -> State:
    """A family's state without the probe's part."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(PREFIX)}


def fit_probe(vectors: Vectors, split: Split, context: TrainingContext) -> Probes:
    """Fit a probe of ``vectors``; one without interests where the catalogue has none.

    Habits are learned from all users of the cut points, and vectors, which take a forward pass
    each, from LEARNERS of each.
    """
    try:
        interests = find_interests(context.items, split.train)
    except DataError as error:
        log.warning("no interests are learned", cause=error.cause)
        nothing = torch.zeros(0)
        interest_I = torch.full((split.train.item_count,), -1)
        none = Probe(interest_I, nothing, nothing, torch.zeros(0, 0), nothing, torch.tensor(0.0))
        return Probes(none, none)
    interest_I = torch.from_numpy(interests.interest_I)

    def labels(window: Window) -> torch.Tensor:
        return torch.from_numpy(interests.acted_on(window.targets)).float()

    windows = cut_points(split.train)
    habits_NH = torch.cat([habits(one.histories, interest_I, len(interests)) for one in windows])
    label_NC = torch.cat([labels(one) for one in windows])
    context.budget.check()
    mean_H, scale_H = _moments(habits_NH)
    habits_NH = (habits_NH - mean_H) / scale_H
    rate_C = torch.logit(label_NC.mean(dim=0).clamp(1e-4, 1 - 1e-4))
    habit_HC, bias_C = regressed(habits_NH, label_NC, rate_C)

    learned_W = [_learners(one, context.seed) for one in windows]
    vectors_MD = torch.cat(
        [
            _vectors(vectors, one.histories.take(rows))
            for one, rows in zip(windows, learned_W, strict=True)
        ]
    )
    context.budget.check()
    first_W = starts(np.array([len(one.histories) for one in windows]))
    rows_M = np.concatenate(
        [first + rows for first, rows in zip(first_W[:-1], learned_W, strict=True)]
    )
    mean_D, scale_D = _moments(vectors_MD)
    by_habits_MC = torch.addmm(rate_C + bias_C, habits_NH[rows_M], habit_HC)
    vectors_MD = (vectors_MD - mean_D) / scale_D
    vector_DC, shift_C = regressed(vectors_MD, label_NC[rows_M], by_habits_MC)

    window = known(split.validation)
    read_UF = _features(vectors, window.histories, interest_I, len(interests))
    label_UC = labels(window)
    context.budget.check()
    found = {}
    for share in SHARES if len(mean_D) else (0.0,):
        rough = Probe(
            interest_I,
            torch.cat([mean_D, mean_H]),
            torch.cat([scale_D, scale_H]),
            torch.cat([share * vector_DC, habit_HC]),
            rate_C + bias_C + share * shift_C,
            torch.tensor(share),
        )
        logits_UC = rough._logits(read_UF)
        slope_C, moved_C = calibrated(logits_UC, label_UC)
        loss = _log_loss(logits_UC * slope_C + moved_C, label_UC).item()
        tuned = replace(
            rough,
            weight_FC=rough.weight_FC * slope_C,
            bias_C=rough.bias_C * slope_C + moved_C,
        )
        found[share] = loss, tuned
    alone = found[0.0][1]
    of_habits = replace(
        alone, mean_F=mean_H, scale_F=scale_H, weight_FC=alone.weight_FC[len(mean_D) :]
    )
    return Probes(min(found.values(), key=lambda one: one[0])[1], of_habits)


def _learners(window: Window, seed: int) -> IntArray:
    """Rows of the users whose vectors are learned from, ascending."""
    random = np.random.default_rng([seed, window.histories.end])
    return np.sort(random.permutation(len(window.histories))[:LEARNERS])


def _moments(values_NF: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """mean_F and scale_F, the standard deviation."""
    mean_F = values_NF.mean(dim=0)
    return mean_F, (values_NF - mean_F).square().mean(dim=0).sqrt().clamp(min=1e-3)


def calibrated(
    logits_NC: torch.Tensor, label_NC: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """slope_C and shift_C that turn logits, or margins of any scale, into probabilities.

    By log loss (Platt 1999), each interest's shrunk towards those of all: some interests have few
    users to calibrate on.
    """
    of_all_2 = torch.tensor([1.0, 0.0], requires_grad=True)
    own_2C = torch.zeros(2, logits_NC.shape[1], requires_grad=True)

    def loss() -> torch.Tensor:
        slope_C, shift_C = of_all_2[:, None] + own_2C
        log_loss = _log_loss(logits_NC * slope_C + shift_C, label_NC)
        return log_loss + CALIBRATION_RIDGE * own_2C.square().sum()

    _minimize(loss, [of_all_2, own_2C], CALIBRATION_STEPS)
    slope_C, shift_C = (of_all_2[:, None] + own_2C).detach()
    return slope_C, shift_C


def regressed(
    read_NF: torch.Tensor, label_NC: torch.Tensor, start_NC: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """weight_FC and bias_C of a regression with the offset ``start_NC``, in logits.

    The features are correlated, so steps are taken in coordinates in which the loss is about as
    curved in every direction: a third of the steps are enough.
    """
    flat_FF = _flattening(read_NF, label_NC)
    moved_FC = torch.zeros(read_NF.shape[1], label_NC.shape[1], requires_grad=True)
    bias_C = torch.zeros(label_NC.shape[1], requires_grad=True)

    def loss() -> torch.Tensor:
        weight_FC = flat_FF @ moved_FC
        logits_NC = start_NC + torch.addmm(bias_C, read_NF, weight_FC)
        return _log_loss(logits_NC, label_NC) + RIDGE * weight_FC.square().sum()

    _minimize(loss, [moved_FC, bias_C], FIT_STEPS)
    return flat_FF @ moved_FC.detach(), bias_C.detach()


def _flattening(read_NF: torch.Tensor, label_NC: torch.Tensor) -> torch.Tensor:
    """flat_FF: the inverse root of a regression's Hessian at its start, of the mean interest."""
    rate_C = label_NC.mean(dim=0)
    curved_FF = (rate_C * (1 - rate_C)).mean() * (read_NF.T @ read_NF) / len(read_NF)
    curved_FF += 2 * RIDGE * torch.eye(len(curved_FF))
    lower_FF = torch.linalg.cholesky(curved_FF)
    return torch.linalg.solve_triangular(lower_FF.T, torch.eye(len(lower_FF)), upper=True)


def _log_loss(logits_NC: torch.Tensor, label_NC: torch.Tensor) -> torch.Tensor:
    """Means over users, summed over interests, so that each is fitted independently."""
    loss_NC = F.binary_cross_entropy_with_logits(logits_NC, label_NC, reduction="none")
    return loss_NC.mean(dim=0).sum()


def _minimize(loss: Callable[[], torch.Tensor], weights: list[torch.Tensor], steps: int) -> None:
    """L-BFGS (Liu & Nocedal 1989): the losses are convex and all data fits into memory.

    SciPy's: the one of torch imports torch's compiler, for two CPU seconds.
    """

    def assign(values: Doubles) -> None:
        parts = np.split(values, np.cumsum([weight.numel() for weight in weights])[:-1])
        with torch.no_grad():
            for weight, part in zip(weights, parts, strict=True):
                weight.copy_(torch.from_numpy(part).view_as(weight))

    def value_and_gradient(values: Doubles) -> tuple[float, Doubles]:
        assign(values)
        with torch.enable_grad():
            value = loss()
            gradients = torch.autograd.grad(value, weights)
        return value.item(), torch.cat([one.flatten() for one in gradients]).double().numpy()

    start = torch.cat([weight.detach().flatten() for weight in weights]).double().numpy()
    options = {"maxiter": steps, "maxfun": 2 * steps}
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    assign(found.x)


@torch.no_grad()
def _features(
    vectors: Vectors, histories: Histories, interest_I: torch.Tensor, interests: int
) -> torch.Tensor:
    """features_UF: vectors, then habits."""
    own_UH = habits(histories, interest_I, interests)
    return torch.cat([_vectors(vectors, histories), own_UH], dim=1)


@torch.no_grad()
def _vectors(vectors: Vectors, histories: Histories) -> torch.Tensor:
    """vectors_UD on the CPU."""
    return torch.cat([vectors(one).float().cpu() for one in histories.parts(USERS_AT_ONCE)])


def habits(histories: Histories, interest_I: torch.Tensor, interests: int) -> torch.Tensor:
    """features_UH: for each half-life, each user's decayed events of each interest and in all."""
    ages_N = histories.ages_N
    decayed = (histories.weights_N * np.exp2(-ages_N / half_life) for half_life in HALF_LIVES_DAYS)
    sums = sums_by_interest(histories, interest_I.numpy(), interests, decayed)
    every = [part for one in sums for part in (one[:, :-1], one.sum(axis=1, keepdims=True))]
    return torch.from_numpy(np.log1p(np.concatenate(every, axis=1, dtype=np.float32)))
