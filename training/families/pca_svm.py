"""Principal components and support vector machines: the classical classifier of interests.

The user's habits (see probe.py), standardized, are brought to their principal components (Pearson
1901), and a linear support vector machine for each interest (Cortes & Vapnik 1995; squared hinge
loss) classifies who will act on it. Margins become probabilities by Platt scaling (1999) on the
validation window, where the cost of errors is tuned too. Fitted at cut points inside the training
data.

Fitted parameters are kept as arrays; prediction needs no scikit-learn and no pickled objects.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from training.data.histories import Histories
from training.data.interest_labels import BoolArray, cut_points, find_interests, known
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Family, State
from training.layers.probe import calibrated, habits

Array = npt.NDArray[np.floating]

TOLERANCE = 1e-5  # of the gradient, as a share of the first
MOST_STEPS = 300


@dataclass(frozen=True)
class Config:
    """``components``: at most. ``costs``: of an error, tuned on validation."""

    components: int = 96
    costs: tuple[float, ...] = (3e-5, 1e-4)


class Model(Family):
    """State: the interest of each item; mean_H and scale_H of the H habits; axes_HK of the
    components around center_H; weight_KC and bias_C of the planes; slope_C and shift_C of the
    calibration."""

    config: Config

    def fit(self, split: Split, context: TrainingContext) -> None:
        """Raises DataError where the catalogue has fewer than two interests."""
        interests = find_interests(context.items, split.train)
        interest_I = torch.from_numpy(interests.interest_I)
        windows = cut_points(split.train)
        read_NH = np.concatenate(
            [habits(one.histories, interest_I, len(interests)).numpy() for one in windows]
        )
        label_NC = np.concatenate([interests.acted_on(one.targets) for one in windows])
        scaler = StandardScaler().fit(read_NH)
        components = min(self.config.components, *read_NH.shape)
        pca = PCA(components, random_state=context.seed).fit(scaler.transform(read_NH))
        self.fitted = {
            "interest_I": interest_I,
            **_tensors(mean_H=scaler.mean_, scale_H=scaler.scale_),
            **_tensors(center_H=pca.mean_, axes_HK=pca.components_.T),
        }
        components_NK = pca.transform(scaler.transform(read_NH))

        window = known(split.validation)
        label_UC = torch.from_numpy(interests.acted_on(window.targets)).float()
        tried: dict[float, tuple[float, State]] = {}
        planes: State | None = None
        for step, cost in enumerate(self.config.costs):
            context.budget.check()
            planes = _planes(components_NK, label_NC, cost, planes)
            self.fitted |= planes
            slope_C, shift_C = calibrated(self.margins(window.histories), label_UC)
            self.fitted |= {"slope_C": slope_C, "shift_C": shift_C}
            probability_UC = self.interests(window.histories)
            tried[cost] = (
                -F.binary_cross_entropy(probability_UC, label_UC).item(),
                dict(self.fitted),
            )
            context.curve("validation_log_likelihood", step, tried[cost][0])
        best = max(tried, key=lambda cost: tried[cost][0])
        self.tuned, self.fitted = {"cost": best}, tried[best][1]

    def interests(self, batch: Histories) -> torch.Tensor:
        margin_BC = self.margins(batch)
        return torch.sigmoid(margin_BC * self.fitted["slope_C"] + self.fitted["shift_C"])

    def margins(self, batch: Histories) -> torch.Tensor:
        """margin_BC of each interest's decision function."""
        fitted = self.fitted
        read_BH = habits(batch, fitted["interest_I"], len(fitted["bias_C"]))
        read_BH = (read_BH - fitted["mean_H"]) / fitted["scale_H"]
        components_BK = (read_BH - fitted["center_H"]) @ fitted["axes_HK"]
        return components_BK @ fitted["weight_KC"] + fitted["bias_C"]

    def state(self) -> State:
        return self.fitted

    def load_state(self, state: State) -> None:
        self.fitted = state


def _planes(components_NK: Array, label_NC: BoolArray, cost: float, start: State | None) -> State:
    """The hyperplane of each interest, of all at once; a constant for one that all or none act on.

    Minimizes the loss of scikit-learn's LinearSVC by L-BFGS (Liu & Nocedal 1989), from ``start``.
    """
    sign_NC = np.where(label_NC, 1.0, -1.0)
    read_NF = np.column_stack([components_NK, np.ones(len(components_NK))])
    shape = read_NF.shape[1], sign_NC.shape[1]

    def loss(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weight_FC = values.reshape(shape)
        slack_NC = np.maximum(0, 1 - sign_NC * (read_NF @ weight_FC))
        gradient_FC = weight_FC - 2 * cost * (read_NF.T @ (sign_NC * slack_NC))
        return float(
            (values @ values) / 2 + cost * np.vdot(slack_NC, slack_NC)
        ), gradient_FC.ravel()

    zeros = np.zeros(shape[0] * shape[1])
    first = zeros
    if start is not None:
        first = torch.cat([start["weight_KC"].flatten(), start["bias_C"]]).double().numpy()
    largest = float(np.abs(loss(zeros)[1]).max())
    options = {"maxiter": MOST_STEPS, "ftol": 0.0, "gtol": TOLERANCE * largest}
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options=options)
    weight_FC = found.x.reshape(shape)
    constant_C = label_NC.all(axis=0) | ~label_NC.any(axis=0)
    weight_FC[:, constant_C] = 0
    weight_FC[-1, constant_C] = sign_NC[0, constant_C]
    return _tensors(weight_KC=weight_FC[:-1], bias_C=weight_FC[-1])


def _tensors(**arrays: Array) -> State:
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
