"""A record: one JSON file with typed fields and a format version."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer, ValidationError

from penchant.errors import DataError
from penchant.storage import write_json

Moment = Annotated[datetime, PlainSerializer(datetime.isoformat)]
"""A time that is written as ISO 8601."""

Interval = dict[str, float]
"""``mean``, ``low`` and ``high``: a figure with its 95 % confidence interval."""

Metrics = dict[str, dict[str, Interval]]
"""Population -> metric -> interval."""


class Part(BaseModel):
    """A part of a record."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return self.model_dump(mode="json", fallback=str)


class Record(Part):
    """``FORMAT``: raise it when the fields change. ``REMEDY``: how to write the file again."""

    FORMAT: ClassVar[int] = 1
    REMEDY: ClassVar[str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises FileNotFoundError without a file, DataError for one of another format version."""
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise DataError(f"{path}: not JSON: {error}", cls.REMEDY) from None
        version = content.pop("format", None) if isinstance(content, dict) else None
        if version != cls.FORMAT:
            raise DataError(
                f"{path}: format version is {version}, this version of Penchant reads {cls.FORMAT}",
                cls.REMEDY,
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise DataError(f"{path}: {key}: {first['msg']}", cls.REMEDY) from None

    def write(self, path: Path) -> None:
        """Replace the file atomically."""
        write_json(path, {"format": self.FORMAT, **self.as_dict()})
