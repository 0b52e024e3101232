"""What passes between `ingest` and a source: what was asked for, and the files that arrived."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from penchant.ingestion.contract import Contract
from penchant.settings import Settings


@dataclass(frozen=True)
class Request:
    """One call of `ingest`. ``workspace`` is an empty folder that is removed at the end of it."""

    settings: Settings
    folder: Path | None
    mapping: Path | None
    day: date | None
    sizes: dict[str, int]
    workspace: Path


@dataclass(frozen=True)
class Arrival:
    """One file for one table."""

    contract: Contract
    path: Path


class Source(Protocol):
    """A module under ``sources/``."""

    NAME: str
    CONTRACTS: tuple[Contract, ...]

    def arrivals(self, request: Request) -> list[Arrival]:
        """The files to land, in the order to land them. Raises UsageError."""
