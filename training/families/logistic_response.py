"""Logistic regression of whether a user answers an ad, on hashed features and their crosses.

McMahan et al. 2013, "Ad Click Prediction: a View from the Trenches" (sections 3 and 7): a linear
model of many sparse features, calibrated afterwards. Here the data fits in memory, so the penalised
optimum is found exactly (linear.py). Features are those that Feast had for the user when the ad
was shown, what the user did with the campaign's items and with earlier ads, and each of them
crossed with the kind of campaign (hashing.py). The penalty is lowered, from the greatest of
``penalties`` on, for as long as the validation ads' log loss falls; each fit begins where the last
one ended. Platt scaling is fitted on the same ads (calibration.py).
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch

from training.data.split import Split
from training.evaluation.metrics.log_loss import log_loss
from training.fitting.context import TrainingContext
from training.fitting.family import Family, State
from training.layers.responses.ads import RESPONSES, AdWindows, labels, left_out_columns, with_days
from training.layers.responses.calibration import Platt, platt
from training.layers.responses.hashing import HashedDesign, HashingConfig
from training.layers.responses.linear import Linear, logistic

PAIRS = (
    ("answers_before", "advertised_items_before"),
    ("answers_before", "advertised_spend_before"),
    ("answers_before", "ads_before"),
    ("advertised_items_before", "user_statistics__orders_28d"),
)
"""Who answered before and buys what is advertised; of how many ads; and who comes often."""


@dataclass(frozen=True)
class Config:
    """Chosen on Complete Journey's validation ads: bins of the numbers cost more than they tell
    where 239 ads of 2,196 were answered, and crosses tell a little if the penalty weighs on them.
    """

    hashing: HashingConfig = field(
        default_factory=lambda: HashingConfig(across=("kind",), pairs=PAIRS, cross_scale=0.25)
    )
    penalties: tuple[float, ...] = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)


class Model(Family):
    response = "probability"
    config: Config

    def fit(self, split: Split, context: TrainingContext) -> None:
        responses = context.training_set(RESPONSES)
        ads = AdWindows.of(responses).split(responses)
        self.learn(ads.train, ads.validation, context)
        self.tuned["left_out"] = ads.left_out

    def learn(self, train: pa.Table, validation: pa.Table, context: TrainingContext) -> None:
        """Fit on the first table's ads, and tune and calibrate on those of the second."""
        label_N, held_N = labels(train, "training"), labels(validation, "validation")
        self.design = HashedDesign.of(train, left_out_columns(train), self.config.hashing)
        matrix_ND, held_ND = self.design.matrix(train), self.design.matrix(validation)
        best, linear = np.inf, None
        for step, penalty in enumerate(self.config.penalties):
            context.budget.check()
            linear = logistic(matrix_ND, label_N, penalty, linear)
            scale = platt(linear.of(held_ND), held_N)
            loss = float(log_loss(held_N, scale.of(linear.of(held_ND))).mean())
            context.curve("validation_log_loss", step, loss)
            if loss >= best:
                break
            best, self.linear, self.scale = loss, linear, scale
            self.tuned |= {"penalty": penalty, "validation_log_loss": loss}

    def responses(self, shown: pa.Table) -> torch.Tensor:
        return torch.from_numpy(self.probabilities(with_days(shown)))

    def probabilities(self, rows: pa.Table) -> np.ndarray:
        """probability_N of rows like those that ``learn`` was given."""
        return self.scale.of(self.linear.of(self.design.matrix(rows)))

    def state(self) -> State:
        scale = [self.scale.slope, self.scale.intercept]
        return {
            **self.design.state("design"),
            "weights_D": torch.from_numpy(self.linear.weights_D),
            "intercept": torch.tensor([self.linear.intercept], dtype=torch.float64),
            "scale": torch.tensor(scale, dtype=torch.float64),
        }

    def load_state(self, state: State) -> None:
        self.design = HashedDesign.from_state(state, "design", self.config.hashing)
        self.linear = Linear(state["weights_D"].numpy(), float(state["intercept"][0]))
        self.scale = Platt(*state["scale"].tolist())
