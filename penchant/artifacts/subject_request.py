"""A person's request: to be erased, or not to be profiled."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from penchant.artifacts.record import Moment, Record
from penchant.settings import Settings

Kind = Literal["erase", "object"]
State = Literal["requested", "cleaned", "complete"]


class SubjectRequest(Record):
    """``privacy/requests/<id>.json``.

    ``pseudonym``: of the user id. ``user_id``: None in a complete erasure, which only the pseudonym
    recalls. ``removed``: place -> rows or files removed so far. ``affected``: the snapshots that
    were built with the person's data.
    """

    REMEDY = "restore the file from a backup: it keeps the person from coming back"

    id: str
    kind: Kind
    pseudonym: str
    user_id: str | None
    requested_at: Moment
    state: State = "requested"
    removed: dict[str, int] = Field(default_factory=dict)
    affected: tuple[str, ...] = ()

    @staticmethod
    def folder(settings: Settings) -> Path:
        return settings.privacy / "requests"

    def save(self, settings: Settings) -> None:
        self.write(self.folder(settings) / f"{self.id}.json")

    @property
    def forgets(self) -> bool:
        """Whether later data of the person must not be stored."""
        return self.kind == "erase"
