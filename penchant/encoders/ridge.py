"""Fold-in by ridge regression on fixed item factors (Hu, Koren & Volinsky 2008, section 4)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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

    def __call__(self, items_L: npt.NDArray[np.int64], weights_L: FloatArray) -> FloatArray:
        """(Y'Y + Y'(C - 1)Y + regularization) x = Y'Cp with p = log(1 + r) and C = 1 + alpha · r,
        r the summed weight of an item."""
        rows_L = self.row_I[items_L]
        rows_R, where_L = np.unique(rows_L[rows_L >= 0], return_inverse=True)
        rated_R = np.bincount(where_L, weights_L[rows_L >= 0], minlength=len(rows_R))
        factors_RD = self.vectors_VD[rows_R].astype(np.float64)
        extra_R = self.alpha * rated_R
        left_DD = self.shared_DD + (factors_RD * extra_R[:, None]).T @ factors_RD
        right_D = factors_RD.T @ ((1 + extra_R) * np.log1p(rated_R))
        return np.append(np.linalg.solve(left_DD, right_D), self.tail).astype(np.float32)
