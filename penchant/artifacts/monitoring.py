"""What monitoring found in a snapshot and in what its live release served."""

from pathlib import Path
from typing import Literal

from penchant.artifacts.record import Interval, Moment, Part, Record
from penchant.settings import Settings
from penchant.storage import Pointer

Group = Literal["features", "predictions", "outcomes"]
By = Literal["family", "segment"]
Against = Literal["previous", "training"]
Measure = Literal["psi", "ks", "share", "rows"]
WITHOUT_RELEASE = "no-release"


class DriftTest(Part):
    """A quantity of the watched days, compared with each day of the reference.

    ``value``: the distance (PSI, KS) from all reference days, or the share or rows of a day;
    ``expected``: its mean over the reference days. ``p_value``: that a reference day differs as
    much. ``drifted``: significant after Benjamini-Hochberg, and large. ``change``: in words.
    """

    name: str
    group: Group
    measure: Measure
    value: float
    expected: float
    p_value: float
    drifted: bool
    change: str


class FeatureShift(Part):
    """PSI of a feature's newest values from those of another snapshot: the one before, or the one
    that the live release was trained on."""

    view: str
    column: str
    against: Against
    snapshot_id: str
    stability_index: float


class ScoreBin(Part):
    """A tenth of the impressions, by score: its mean, and the share that was clicked."""

    score: float
    clicked: float


class ServedQuality(Part):
    """What was served in the watched and the reference days to a segment, or by a family.

    Clicks and conversions are those of the impression's day, so that the last day compares with
    earlier ones. ``calibration``: clicks per predicted one; None where scores are no probabilities.
    """

    by: By
    name: str
    impressions: int
    clicks: int
    conversions: int
    click_rate: Interval
    calibration: float | None
    tenths: tuple[ScoreBin, ...]


class Freshness(Part):
    """``hours``: from the newest row, or the end of the data that is served, to the end of the
    snapshot's data. Stale beyond ``limit_hours``."""

    name: str
    hours: float
    limit_hours: float

    @property
    def stale(self) -> bool:
        return self.hours > self.limit_hours


class ListsChange(Part):
    """The live release's lists against those of the release before. ``overlap``: mean share of a
    user's first ten items that stayed. ``category_index``: PSI of the categories of first tens."""

    before: str
    users: int
    overlap: float
    category_index: float


class Finding(Part):
    """Something that a person should look at. ``name``: the same in each record that finds it."""

    name: str
    text: str


class MonitoringRecord(Record):
    """``monitoring/<snapshot>/<release>.json``.

    ``watched_days`` end at ``as_of``, ``reference_days`` before them. ``untested``: quantity ->
    why. ``families``: release id -> family of its ranker, also of releases that were removed.
    """

    REMEDY = "delete the file and run `penchant watch-drift` again"

    snapshot_id: str
    release_id: str | None
    as_of: Moment
    watched_days: int
    reference_days: int
    tests: tuple[DriftTest, ...]
    untested: dict[str, str]
    shifts: tuple[FeatureShift, ...]
    served: tuple[ServedQuality, ...]
    freshness: tuple[Freshness, ...]
    lists: ListsChange | None
    families: dict[str, str]
    findings: tuple[Finding, ...]

    @staticmethod
    def key(snapshot_id: str, release_id: str | None) -> str:
        """What the pointer of the newest record names."""
        return f"{snapshot_id}/{release_id or WITHOUT_RELEASE}"

    @staticmethod
    def path(settings: Settings, key: str) -> Path:
        return settings.home / "monitoring" / f"{key}.json"

    @staticmethod
    def newest(settings: Settings) -> Pointer:
        """Names the last record that was written, by its key."""
        return Pointer(settings.home / "monitoring" / "CURRENT")

    @classmethod
    def last(cls, settings: Settings) -> "MonitoringRecord | None":
        """The last record, None before the first."""
        key = cls.newest(settings).current()
        path = cls.path(settings, key) if key else None
        return cls.read(path) if path is not None and path.exists() else None
