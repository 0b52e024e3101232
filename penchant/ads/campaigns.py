"""Budgets, prices, values and caps of campaigns, for allocation and pacing."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Campaigns:
    """C campaigns. ``budget_C``: money for the day. ``price_C``: money for an impression.
    ``value_C``: money for a response. ``cap_C``: largest number of impressions per user and day."""

    ids: tuple[str, ...]
    budget_C: Floats
    price_C: Floats
    value_C: Floats
    cap_C: Floats
