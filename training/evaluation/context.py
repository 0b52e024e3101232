"""The input and output of an evaluator: ``evaluate(family, context) -> figures``.

There is a file for each task. ``TASKS`` of commands/train.py calls an evaluator for the families
with the task's capability.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.histories import Dataset
from training.data.split import Split, Window
from training.fitting.capabilities import LearnsFromValidation
from training.fitting.context import TrainingContext
from training.fitting.family import Family

Figures = dict[str, Any]
"""JSON of a task in the run record. ``headline``: a few words; empty where the task could not be
evaluated, and then ``missing`` is the cause and ``remedy`` what to do."""


@dataclass(frozen=True)
class EvaluationContext:
    """``folder``: of the run, for files beside the figures. ``seed``: of resampling."""

    dataset: Dataset
    split: Split
    training: TrainingContext
    folder: Path
    seed: int

    def windows(self, family: Family) -> Iterator[tuple[str, Window]]:
        """``validation``, then ``test``; the family has observed the events before each.

        Users of the validation window from whom the family has learned are left out there.
        """
        validation = self.split.validation
        if isinstance(family, LearnsFromValidation):
            validation = validation.without(family.learned_from_U)
        for name, window in (("validation", validation), ("test", self.split.test)):
            family.observe(window.histories)
            yield name, window
            self.training.budget.check()
