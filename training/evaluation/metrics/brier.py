"""Brier score of probabilities."""

from training.evaluation.metrics.intervals import BoolArray, FloatArray


def brier(label: FloatArray | BoolArray, probability: FloatArray) -> FloatArray:
    """Squared error of each probability (Brier 1950)."""
    return (probability - label) ** 2
