"""Where a personal column goes: from landed rows through dbt to features, families, runs and
releases."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from penchant.artifacts import Snapshot
from penchant.manifest import Mart, read_exposures, read_marts
from penchant.privacy.column_lineage import ColumnLineage, TableColumn
from penchant.privacy.derived import models_of
from penchant.releases.release import on_disk
from penchant.settings import Settings

NO_CLASS = "-"  # of models that aren't marts


@dataclass(frozen=True)
class LineageReport:
    """``landed``: the columns as the sources delivered them. ``models``: column -> PII class,
    ``-`` where the model is no mart. ``features``: the part of them that Feast serves. ``services``
    and ``families`` read a mart that has one of ``models``; ``runs`` are of these families.
    """

    snapshot_id: str
    landed: tuple[str, ...]
    models: dict[str, str]
    features: dict[str, str]
    services: tuple[str, ...]
    families: tuple[str, ...]
    other_readers: tuple[str, ...]
    runs: dict[str, str]
    releases: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        lines = {
            "landed": self.landed,
            "dbt models": [name for name, pii in self.models.items() if pii == NO_CLASS],
            "marts": _with_class(self.models),
            "features": _with_class(self.features),
            "feature services": self.services,
            "families": self.families,
            "other readers": self.other_readers,
            "runs": [f"{run} ({family})" for run, family in self.runs.items()],
            "releases": self.releases,
        }
        width = max(map(len, lines))
        return "\n".join(
            [f"snapshot {self.snapshot_id}"]
            + [f"{name:<{width}}  {', '.join(found) or 'none'}" for name, found in lines.items()]
        )


def lineage_of(settings: Settings, name: str, snapshot_id: str | None = None) -> LineageReport:
    """Follow a column through a snapshot, the live one if left out.

    ``name``: ``source/table.column``, ``table.column`` or ``column``, of a landed table or a model.
    Raises UnknownId for another column, with near names.
    """
    snapshot = Snapshot.open(settings, snapshot_id) if snapshot_id else Snapshot.live(settings)
    lineage = ColumnLineage.of(snapshot.manifest)
    named = lineage.named(name)
    reached = lineage.made_from(named)
    marts = {mart.name: mart for mart in read_marts(snapshot.manifest)}
    in_marts = {column for column in reached if column.table in marts}
    features = {column for column in in_marts if _is_feature(marts[column.table], column.column)}
    readers = [
        each
        for each in read_exposures(snapshot.manifest)
        if {column.table for column in in_marts} & set(each.marts)
    ]
    families = {family for each in readers for family in each.families}
    return LineageReport(
        snapshot_id=snapshot.id,
        landed=tuple(sorted(map(str, lineage.landed_behind(named)))),
        models=_classes(reached, marts),
        features=_classes(features, marts),
        services=tuple(sorted({s for each in features for s in _services(marts[each.table])})),
        families=tuple(sorted(families)),
        other_readers=tuple(
            sorted(each.name for each in readers if not each.families and not each.is_service)
        ),
        runs={
            run_id: family
            for family, run_id in models_of(settings, snapshot.id)
            if family in families
        },
        releases=tuple(
            sorted(each.id for each in on_disk(settings) if each.snapshot_id == snapshot.id)
        )
        if features or families
        else (),
    )


def _is_feature(mart: Mart, column: str) -> bool:
    view = mart.meta.get("feature_view")
    return (
        view is not None
        and column not in {*mart.primary_key, view["timestamp"]}
        and bool(mart.column(column).meta.get("online", True))
    )


def _services(mart: Mart) -> list[str]:
    services: list[str] = mart.meta["feature_view"]["services"]
    return services


def _classes(columns: Iterable[TableColumn], marts: dict[str, Mart]) -> dict[str, str]:
    return {
        str(each): marts[each.table].column(each.column).pii if each.table in marts else NO_CLASS
        for each in sorted(columns)
    }


def _with_class(columns: dict[str, str]) -> list[str]:
    return [f"{name} ({pii})" for name, pii in columns.items() if pii != NO_CLASS]
