"""The interface of sources: the request of an ingest, and the files that arrived."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from penchant.ingestion.landing.contract import Contract
from penchant.ingestion.landing.mapping import TableMapping
from penchant.settings import Settings


@dataclass(frozen=True)
class Request:
    """One call of `ingest`. ``workspace`` is an empty folder that is removed afterwards."""

    settings: Settings
    folder: Path | None
    mapping: Path | None
    day: date | None
    sizes: dict[str, int]
    workspace: Path


@dataclass(frozen=True)
class Arrival:
    """A file for a table. ``mapping`` is set if its columns are not those of the contract.

    ``folder``: what the file's name is relative to; its own folder if left out. Files of the same
    name are versions of one file, so ``dt=2024-01-01/part-0.parquet`` keeps its folder.
    ``acknowledge``: is called when the file has landed, so that its sender need not send it again.
    """

    contract: Contract
    path: Path
    mapping: TableMapping | None = None
    folder: Path | None = None
    acknowledge: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """The path below the folder, or the file's name where it lies elsewhere."""
        if self.folder and self.path.is_relative_to(self.folder):
            return self.path.relative_to(self.folder).as_posix()
        return self.path.name


class Source(Protocol):
    """A module under ``sources/``."""

    NAME: str
    CONTRACTS: tuple[Contract, ...]

    def arrivals(self, request: Request) -> list[Arrival]:
        """The files to land, in the order to land them. Raises UsageError."""
