"""A user vector as the weighted sum or mean of item vectors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.encoders.history import Events
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

    def __call__(self, events: Events) -> FloatArray:
        _, _, total, counted_R, factors_RD = self._summed(events)
        return self._scaled((counted_R @ factors_RD)[None], np.array([total]))[0]

    def without(self, events: Events, left_out_T: npt.NDArray[np.int64]) -> FloatArray:
        """The vectors without each of the items: its part of the sum is subtracted."""
        items_R, weight_R, total, counted_R, factors_RD = self._summed(events)
        at_T = np.searchsorted(items_R, left_out_T)
        sum_D = counted_R @ factors_RD
        sums_TD = sum_D - counted_R[at_T, None] * factors_RD[at_T]
        return self._scaled(sums_TD, total - weight_R[at_T])

    def _summed(self, events: Events) -> tuple[Any, Any, float, Any, Any]:
        """Distinct items with their weights, the sum of these, what each counts, and its vector,
        0 without one."""
        items_R, where_L = np.unique(events.items_L, return_inverse=True)
        weight_R = np.bincount(where_L, events.weights_L, minlength=len(items_R))
        counted_R = np.log1p(weight_R) if self.form == "log" else weight_R
        rows_R = self.row_I[items_R]
        factors_RD = np.zeros((len(items_R), self.vectors_VD.shape[1]))
        factors_RD[rows_R >= 0] = self.vectors_VD[rows_R[rows_R >= 0]]
        return items_R, weight_R, float(weight_R.sum()), counted_R, factors_RD

    def _scaled(
        self, sums_TD: npt.NDArray[np.float64], total_T: npt.NDArray[np.float64]
    ) -> FloatArray:
        if self.form == "even":
            norm_T = np.maximum(np.linalg.norm(sums_TD, axis=1), 1e-12)
            sums_TD = sums_TD * (sums_TD.shape[1] ** 0.5 / norm_T)[:, None]
        elif self.form == "mean":
            sums_TD = sums_TD / np.maximum(total_T, np.finfo(np.float32).tiny)[:, None]
        tail_T1 = np.full((len(sums_TD), 1), self.tail)
        return np.concatenate([sums_TD, tail_T1], axis=1).astype(np.float32)
