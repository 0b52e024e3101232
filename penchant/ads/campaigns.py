"""What campaigns may spend, cost and are worth: what a plan is for, and a day is paced by."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Campaigns:
    """C campaigns. ``budget_C``: money for the day. ``price_C``: money for an impression.
    ``value_C``: what a response is worth. ``cap_C``: impressions a user and day at most."""

    ids: tuple[str, ...]
    budget_C: Floats
    price_C: Floats
    value_C: Floats
    cap_C: Floats
