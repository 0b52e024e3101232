"""Progress of a fit: points of curves for the run record, and log lines.

A line has the step, the best validation so far and the time left, at most every few seconds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from training.fitting.budget import Budget

LINE_SECONDS = 3.0
VALIDATION = "validation_ndcg@10"

Curve = Callable[[str, int, float], None]
"""Records a point of a curve: its name, the step, the value."""

log = structlog.get_logger()


def no_curve(name: str, step: int, value: float) -> None:
    """For fitting without a record."""


def no_cut(what: str) -> None:
    """For fitting without a record."""


def no_steps(steps: int) -> None:
    """For fitting without a record."""


@dataclass(frozen=True)
class Point:
    """A figure at a step of a fit; ``seconds`` since the run began."""

    name: str
    step: int
    value: float
    seconds: float


@dataclass
class Recorder:
    """Records a fit's points and logs its progress. ``of``: the most steps it makes. ``cuts``: what
    was left out for the size of the shop, a line each."""

    family: str
    budget: Budget
    points: list[Point] = field(default_factory=list)
    of: int | None = None
    cuts: list[str] = field(default_factory=list)
    _begun: float = field(default_factory=time.monotonic)
    _logged_at: float = field(default_factory=time.monotonic)

    def curve(self, name: str, step: int, value: float) -> None:
        self.points.append(Point(name, step, value, round(self.budget.spent, 3)))
        now = time.monotonic()
        if now - self._logged_at >= LINE_SECONDS:
            self._logged_at = now
            log.info("fitting", **self.line(step, now - self._begun))

    def cut(self, what: str) -> None:
        """Record what was left out for the size of the shop, once."""
        if what not in self.cuts:
            self.cuts.append(what)
            log.info("cut", family=self.family, what=what)

    def expect(self, steps: int) -> None:
        """Set the most steps that the fit makes."""
        self.of = steps

    def line(self, step: int, seconds: float) -> dict[str, str | float]:
        """The fields of a log line after ``seconds`` of the fit."""
        validations = [point.value for point in self.points if point.name == VALIDATION]
        best = {"best_validation": round(max(validations), 4)} if validations else {}
        return {
            "family": self.family,
            "step": f"{step} of {self.of}" if self.of else str(step),
            **best,
            "seconds": round(seconds),
            "seconds_left": round(self.seconds_left(step, seconds)),
        }

    def seconds_left(self, step: int, seconds: float) -> float:
        """At the pace so far, or until the budget ends the fit: whichever is sooner."""
        until_budget = max(0.0, self.budget.fitting_seconds_left)
        if not (self.of and step):
            return until_budget
        return min(until_budget, seconds / step * max(0, self.of - step))
