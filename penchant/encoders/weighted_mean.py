"""A user vector as the weighted sum or mean of item vectors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penchant.vectors import FloatArray


@dataclass(frozen=True)
class WeightedMean:
    """``row_I``: an item's row in ``vectors_VD``, -1 without one. ``form``: "log", the sum with
    log(1 + weight) of each item; "even", the sum scaled to norm D ** .5; "mean", the sum divided by
    the sum of the weights."""

    vectors_VD: FloatArray
    row_I: npt.NDArray[np.int32]
    form: str
    tail: float

    def __post_init__(self) -> None:
        if self.form not in ("log", "even", "mean"):
            raise ValueError(f"unknown form {self.form!r}")

    def __call__(self, items_L: npt.NDArray[np.int64], weights_L: FloatArray) -> FloatArray:
        items_R, where_L = np.unique(items_L, return_inverse=True)
        counted_R = np.bincount(where_L, weights_L, minlength=len(items_R))
        total = counted_R.sum()
        if self.form == "log":
            counted_R = np.log1p(counted_R)
        rows_R = self.row_I[items_R]
        sum_D = counted_R[rows_R >= 0] @ self.vectors_VD[rows_R[rows_R >= 0]].astype(np.float64)
        if self.form == "even":
            sum_D = sum_D * len(sum_D) ** 0.5 / max(float(np.linalg.norm(sum_D)), 1e-12)
        elif self.form == "mean":
            sum_D = sum_D / max(total, np.finfo(np.float32).tiny)
        return np.append(sum_D, self.tail).astype(np.float32)
