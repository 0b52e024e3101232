"""What a judge of a task is given beside the fitted family."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.histories import Dataset
from training.data.split import Split, Window
from training.fitting.capabilities import LearnsFromValidation
from training.fitting.context import TrainingContext
from training.fitting.family import Family


@dataclass(frozen=True)
class EvaluationContext:
    """``folder``: the run's, for what is to be kept beside the figures. ``seed``: of resampling."""

    dataset: Dataset
    split: Split
    training: TrainingContext
    folder: Path
    seed: int

    def windows(self, family: Family) -> Iterator[tuple[str, Window]]:
        """``validation``, then ``test``; the family has observed what was known at its start.

        Users whom it learned from in the validation window are left out of that.
        """
        validation = self.split.validation
        if isinstance(family, LearnsFromValidation):
            others_U = ~np.isin(validation.histories.users_U, family.learned_from_U)
            validation = validation.take(np.flatnonzero(others_U))
        for name, window in (("validation", validation), ("test", self.split.test)):
            family.observe(window.histories)
            yield name, window
            self.training.budget.check()
