"""Log loss of probabilities, in nats."""

import numpy as np

from training.evaluation.metrics.intervals import BoolArray, FloatArray


def log_loss(
    label: FloatArray | BoolArray, probability: FloatArray, floor: float = 1e-12
) -> FloatArray:
    """-log of the probability of each true label, clipped to [floor, 1 - floor]."""
    likely = np.where(label > 0, probability, 1 - probability)
    return -np.log(np.clip(likely, floor, 1 - floor))
