"""What a family's parts need to run alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from training.data.histories import Histories
from training.data.split import Window
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext


@pytest.fixture
def context(tmp_path: Path) -> TrainingContext:
    """A context on which nothing can be validated: its window and catalogue are empty."""
    nobody = Histories(
        np.zeros(0, np.int64),
        np.zeros(1, np.int64),
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        np.zeros(0, np.float32),
        0,
        0,
    )
    budget = Budget(600, 10**6)
    return TrainingContext(
        Window(nobody, nobody), pa.table({}), torch.device("cpu"), 0, budget, tmp_path / "scratch"
    )
