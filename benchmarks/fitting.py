"""A training context for fits outside of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from training.data.split import Window
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext


@contextmanager
def training_context(
    window: Window, items: Any, seed: int = 0, budget: Budget | None = None, **fields: Any
) -> Iterator[TrainingContext]:
    """On the CPU, with checkpoints that are deleted and, by default, ample time and memory."""
    budget = budget or Budget(3600, 10**5)
    with TemporaryDirectory(prefix="penchant-bench-") as folder:
        yield TrainingContext(
            window, items, torch.device("cpu"), seed, budget, Path(folder), **fields
        )
