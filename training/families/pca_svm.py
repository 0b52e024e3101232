"""Principal components and support vector machines: the classical classifier of interests.

From scikit-learn: the user's habits (see probe.py), standardized, are brought to their
principal components (Pearson 1901), and a linear support vector machine for each interest (Cortes &
Vapnik 1995; squared hinge loss) classifies who will act on it. Margins become probabilities
by Platt scaling (1999) on the validation window, where the cost of errors is tuned too. Fitted at
cut points inside the training data.

Fitted parameters are kept as arrays; prediction needs no scikit-learn and no pickled objects.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch.nn import functional as F

from training.data.histories import Histories
from training.data.interest_labels import BoolArray, cut_points, find_interests, known
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Family, State
from training.layers.probe import calibrated, habits

Array = npt.NDArray[np.floating]

TOLERANCE = 1e-3


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
        for step, cost in enumerate(self.config.costs):
            context.budget.check()
            self.fitted |= _planes(components_NK, label_NC, cost, context.seed)
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


def _planes(components_NK: Array, label_NC: BoolArray, cost: float, seed: int) -> State:
    """The hyperplane of each interest; a constant for one that all or none act on."""
    weight_KC = np.zeros((components_NK.shape[1], label_NC.shape[1]))
    bias_C = np.where(label_NC.any(axis=0), 1.0, -1.0)
    for interest in np.flatnonzero(label_NC.any(axis=0) & ~label_NC.all(axis=0)):
        svm = LinearSVC(C=cost, dual=False, tol=TOLERANCE, random_state=seed)
        svm.fit(components_NK, label_NC[:, interest])
        weight_KC[:, interest], bias_C[interest] = svm.coef_[0], svm.intercept_[0]
    return _tensors(weight_KC=weight_KC, bias_C=bias_C)


def _tensors(**arrays: Array) -> State:
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
