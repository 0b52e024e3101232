"""What a validation found."""

from dataclasses import asdict, dataclass
from typing import Any


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
