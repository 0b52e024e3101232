"""Linear regression of what a campaign adds to a user's spending: uplift, in money.

Nie and Wager 2021, "Quasi-Oracle Estimation of Heterogeneous Treatment Effects": the effect of
being sent a campaign is a linear function of the features, found by least squares on residuals,
with a squared penalty on all but its mean. uplift.py has the residuals, and the assumptions under
which the effect is causal. ``penalties`` are tried on the validation campaigns by the same squared
error; with the greatest of them the effect is the same for everybody.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
import torch

from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Family, State
from training.layers.responses.ads import (
    RESPONSES,
    SPENDING,
    AdWindows,
    left_out_columns,
    with_days,
)
from training.layers.responses.hashing import HashedDesign, HashingConfig
from training.layers.responses.linear import Linear, ridge
from training.layers.responses.uplift import Residuals, residuals


@dataclass(frozen=True)
class Config:
    """``outcome``: the spending to predict, all of it or that on advertised items
    (``advertised_spend_after``)."""

    outcome: str = "spend_after"
    hashing: HashingConfig = field(default_factory=lambda: HashingConfig(buckets=512))
    penalties: tuple[float, ...] = (1e5, 3e4, 1e4, 3e3, 1e3, 300.0, 100.0, 30.0)


class Model(Family):
    response = "money"
    config: Config

    def fit(self, split: Split, context: TrainingContext) -> None:
        windows = AdWindows.of(context.training_set(RESPONSES))
        ads = windows.split(context.training_set(SPENDING))
        self.learn(ads.train, ads.validation, context)
        self.tuned["left_out"] = ads.left_out

    def learn(self, train: pa.Table, validation: pa.Table, context: TrainingContext) -> None:
        """Fit on the first table's campaigns and tune on those of the second."""
        self.design = HashedDesign.of(train, left_out_columns(train), self.config.hashing)
        matrix_ND, held_ND = self.design.matrix(train), self.design.matrix(validation)
        learned = residuals(train, self.config.outcome)
        context.budget.check()
        held = residuals(validation, self.config.outcome)
        best = np.inf
        for step, penalty in enumerate(self.config.penalties):
            context.budget.check()
            linear = effect(matrix_ND, learned, penalty)
            error_N = held.spent_N - held.sent_N * linear.of(held_ND)
            loss = float(error_N @ error_N / len(error_N))
            context.curve("validation_squared_error", step, loss)
            if loss < best:
                best, self.linear = loss, linear
                self.tuned |= {"penalty": penalty, "validation_squared_error": loss}

    def responses(self, shown: pa.Table) -> torch.Tensor:
        return torch.from_numpy(self.linear.of(self.design.matrix(with_days(shown))))

    def state(self) -> State:
        return {
            **self.design.state("design"),
            "weights_D": torch.from_numpy(self.linear.weights_D),
            "intercept": torch.tensor([self.linear.intercept], dtype=torch.float64),
        }

    def load_state(self, state: State) -> None:
        self.design = HashedDesign.from_state(state, "design", self.config.hashing)
        self.linear = Linear(state["weights_D"].numpy(), float(state["intercept"][0]))


def effect(matrix_ND: sp.csr_matrix, residual: Residuals, penalty: float) -> Linear:
    """The effect that best explains the residual spending."""
    return ridge(
        matrix_ND, residual.spent_N / residual.sent_N, penalty, weight_N=residual.sent_N**2
    )
