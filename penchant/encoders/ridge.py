"""Fold-in by ridge regression on fixed item factors (Hu, Koren & Volinsky 2008, section 4)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.encoders.history import Events
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class Ridge:
    """``vectors_VD``: item factors. ``row_I``: an item's row in them, -1 without one.
    ``shared_DD``: Y'Y + regularization, the part that is the same for all users."""

    vectors_VD: FloatArray
    row_I: npt.NDArray[np.int32]
    shared_DD: npt.NDArray[np.float64]
    alpha: float
    tail: float

    @classmethod
    def of(cls, tensors: dict[str, npt.NDArray[Any]], described: dict[str, Any]) -> "Ridge":
        gram_DD = tensors["gram_DD"]
        shared_DD = gram_DD + described["regularization"] * np.eye(len(gram_DD))
        return cls(
            tensors["vectors_VD"],
            tensors["row_I"],
            shared_DD,
            described["alpha"],
            described["tail"],
        )

    def __call__(self, events: Events) -> FloatArray:
        """(Y'Y + Y'(C - 1)Y + regularization) x = Y'Cp with p = log(1 + r) and C = 1 + alpha · r,
        r the summed weight of an item."""
        _, factors_RD, extra_R, liked_R = self._rated(events)
        left_DD = self.shared_DD + (factors_RD * extra_R[:, None]).T @ factors_RD
        vector_D = np.linalg.solve(left_DD, factors_RD.T @ liked_R)
        return np.append(vector_D, self.tail).astype(np.float32)

    def without(self, events: Events, left_out_T: npt.NDArray[np.int64]) -> FloatArray:
        """The vectors without each of the items, by a rank-one downdate of the inverse (Sherman &
        Morrison 1950)."""
        rows_R, factors_RD, extra_R, liked_R = self._rated(events)
        left_DD = self.shared_DD + (factors_RD * extra_R[:, None]).T @ factors_RD
        inverse_DD = np.linalg.inv(left_DD)
        vector_D = inverse_DD @ (factors_RD.T @ liked_R)
        row_T = self.row_I[left_out_T]
        at_T = np.searchsorted(rows_R, np.maximum(row_T, 0)).clip(max=max(0, len(rows_R) - 1))
        with_vector_T = row_T >= 0  # an item without factors changes nothing
        extra_T = np.where(with_vector_T, extra_R[at_T], 0.0)
        liked_T = np.where(with_vector_T, liked_R[at_T], 0.0)
        factors_TD = factors_RD[at_T]
        turned_TD = factors_TD @ inverse_DD
        less_TD = vector_D - liked_T[:, None] * turned_TD
        along_T = (factors_TD * less_TD).sum(axis=1)
        left_T = 1 - extra_T * (factors_TD * turned_TD).sum(axis=1)
        vectors_TD = less_TD + (extra_T * along_T / left_T)[:, None] * turned_TD
        tail_T1 = np.full((len(vectors_TD), 1), self.tail)
        return np.concatenate([vectors_TD, tail_T1], axis=1).astype(np.float32)

    def _rated(self, events: Events) -> tuple[Any, Any, Any, Any]:
        """Rows of distinct items with factors, their factors, C - 1 and Cp of each."""
        rows_L, weights_L = self.row_I[events.items_L], events.weights_L
        rows_R, where_L = np.unique(rows_L[rows_L >= 0], return_inverse=True)
        rated_R = np.bincount(where_L, weights_L[rows_L >= 0], minlength=len(rows_R))
        extra_R = self.alpha * rated_R
        liked_R = (1 + extra_R) * np.log1p(rated_R)
        return rows_R, self.vectors_VD[rows_R].astype(np.float64), extra_R, liked_R
