"""What a validation found."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

SAMPLE = 5  # unexpected rows shown with a failure


@dataclass(frozen=True)
class Failure:
    """A failed expectation. ``sample``: a few unexpected rows or values."""

    expectation: str
    column: str | None
    severity: str
    rule: str
    observed: Any
    unexpected_count: int | None
    sample: list[Any]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class MartResult:
    """The number of expectations of a mart, and those that failed."""

    expectations: int
    failures: tuple[Failure, ...] = ()


def in_order(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Sorted, so that a repeated validation gives the same results."""
    return tuple(sorted(failures, key=lambda failure: (failure.expectation, failure.rule)))
