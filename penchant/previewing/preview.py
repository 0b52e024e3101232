"""``penchant preview``: what the dbt project as it is now would change in the live snapshot.

Changed models and all that read them are built in a database beside production's, from the live
snapshot's time on; the others are those of the last build. Nothing goes live.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penchant.artifacts import MartDescription, Snapshot
from penchant.building.by_hand import folder_of
from penchant.building.dbt import run_dbt
from penchant.building.landed import Landing, read_landing
from penchant.building.volatile import check_repeatable
from penchant.encryption import parquet as pq
from penchant.encryption.duckdb_connection import connect
from penchant.encryption.encrypted_file import copy_plain
from penchant.encryption.parts import parts_of
from penchant.errors import BudgetExceeded, DataError, NothingToDo, UsageError
from penchant.manifest import Mart, read_marts
from penchant.previewing.changes import Edit, find_edit
from penchant.previewing.comparison import MartChange, compare
from penchant.ranking.service_columns import service_views
from penchant.settings import Settings
from penchant.storage import held_alone

if TYPE_CHECKING:  # imports PyTorch
    from training.commands.compare_features import FeatureComparison
    from training.commands.compare_responses import ResponseComparison

EXAMPLES = {"items", "sequences", "users"}
"""The marts of which the ranking model's examples are made."""


@dataclass(frozen=True)
class Cost:
    """Seconds that a mart takes to build and bytes of its file, of the live snapshot and now."""

    seconds_before: float | None
    seconds_after: float
    bytes_before: int | None
    bytes_after: int


@dataclass(frozen=True)
class Preview:
    """``landed_since``: batches that are in this build but not in the live snapshot, so differences
    may come from them. ``failures``: checks that would fail. ``refit``: what the edit does to the
    ranking model, or the reason why that isn't known. ``responses``: to the models of ads, or the
    reason; None where they read nothing that changes."""

    live: str
    edit: Edit
    marts: tuple[MartChange, ...]
    costs: dict[str, Cost]
    failures: tuple[str, ...]
    landed_since: int
    refit: "FeatureComparison | str" = "nothing to refit"
    responses: "ResponseComparison | str | None" = None

    @property
    def would_fail(self) -> bool:
        """Whether a critical check would keep the edit from going live."""
        return any("(critical)" in failure for failure in self.failures)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def preview(settings: Settings) -> Preview:
    """Build and compare what the edit changes.

    Raises UsageError without a live snapshot or a build, and as ``run_dbt`` does, which runs the
    tests and unit tests of what it builds.
    """
    live = Snapshot.live(settings)
    if not settings.warehouse.exists():
        raise UsageError(f"{settings.warehouse} does not exist", "run `penchant build` first")
    landing = replace(read_landing(settings), as_of=live.as_of)
    landed = {batch.name for batch in landing.batches}
    since = len(landed - set(live.description.landed))
    with held_alone(settings.warehouse.parent):
        folder = folder_of(settings) / "preview"
        shutil.rmtree(folder, ignore_errors=True)
        marts = folder / "marts"
        marts.mkdir(parents=True)
        database = _database(settings, live, folder)
        target = run_dbt(settings, landing, marts, "parse", database=database)
        described = read_marts(target / "manifest.json")
        edit = find_edit(live.manifest, target / "manifest.json")
        if not edit:
            return Preview(live.id, edit, (), {}, (), since)
        selected = [f"{name}+" for name in edit.changed]
        if selected:
            run_dbt(settings, landing, marts, "build", "--select", *selected, database=database)
            check_repeatable(target / "manifest.json")
        before = {mart.name: live.mart(mart.name) for mart in described}
        changes = _compare(settings, before, described, marts)
        costs = _costs(live, marts, target / "run_results.json")
        edited = _edited(live, described, target / "manifest.json", folder)
        failures = _failures(settings, live, edited)
        if selected:
            failures += _unequal(settings, landing, described, folder, selected)
        changed = {change.mart for change in changes if not change.is_equal}
        refit = _refit(settings, live, edited, described, changed)
        responses = _refit_responses(settings, live, edited, described, changed)
    return Preview(live.id, edit, changes, costs, failures, since, refit, responses)


def _database(settings: Settings, live: Snapshot, folder: Path) -> Path:
    """A copy of the last build's database, with the live snapshot's marts."""
    database = folder / settings.warehouse.name  # dbt names the database in its SQL
    copy_plain(settings.warehouse, database)
    with connect(settings.home, str(database)) as connection:
        for parquet in sorted((live.path / "marts").glob("*.parquet")):
            path = str(parquet.resolve()).replace("'", "''")
            connection.execute(
                f"create or replace view \"{parquet.stem}\" as from read_parquet('{path}')"
            )
    return database


def _compare(
    settings: Settings, before: dict[str, Path], described: tuple[Mart, ...], marts: Path
) -> tuple[MartChange, ...]:
    """The marts of a folder beside those that were there before."""
    with connect(settings.home, config={"threads": settings.threads}) as connection:
        return tuple(
            compare(
                connection,
                mart,
                before[mart.name] if before[mart.name].exists() else None,
                marts / f"{mart.name}.parquet",
            )
            for mart in described
            if (marts / f"{mart.name}.parquet").exists()
        )


def _unequal(
    settings: Settings,
    landing: Landing,
    described: tuple[Mart, ...],
    folder: Path,
    selected: list[str],
) -> tuple[str, ...]:
    """Marts that another number of threads builds otherwise: a tie, or a list without an order."""
    marts, again = folder / "marts", folder / "again"
    again.mkdir()
    threads = 1 if settings.threads > 1 else 2
    other = settings.model_copy(update={"threads": threads, "duckdb_threads": threads})
    database = folder / settings.warehouse.name
    run_dbt(other, landing, again, "run", "--select", *selected, database=database)
    first = {mart.name: marts / f"{mart.name}.parquet" for mart in described}
    return tuple(
        f"{change.mart}: two builds differ in {change.changed + change.added + change.removed:,} "
        f"rows, {', '.join(one.column for one in change.columns)}: order its ties (critical)"
        for change in _compare(settings, first, described, again)
        if not change.is_equal
    )


def _costs(live: Snapshot, marts: Path, run_results: Path) -> dict[str, Cost]:
    """Of each mart that was built."""
    before, after = _seconds(live.path / "run_results.json"), _seconds(run_results)
    return {
        file.stem: Cost(
            before.get(file.stem),
            after[file.stem],
            _bytes(live.mart(file.stem)) if live.mart(file.stem).exists() else None,
            _bytes(file),
        )
        for file in sorted(marts.glob("*.parquet"))
    }


def _bytes(mart: Path) -> int:
    return sum(part.stat().st_size for part in parts_of(mart))


def _seconds(run_results: Path) -> dict[str, float]:
    if not run_results.exists():
        return {}
    return {
        result["unique_id"].split(".")[-1]: round(result["execution_time"], 2)
        for result in json.loads(run_results.read_text())["results"]
        if result["unique_id"].startswith("model.")
    }


def _edited(live: Snapshot, described: tuple[Mart, ...], manifest: Path, folder: Path) -> Snapshot:
    """A snapshot of the marts that were built, and of the live ones of the others."""
    edited = Snapshot(live.id, folder / "snapshot")
    (edited.path / "marts").mkdir(parents=True)
    rows = {}
    for mart in described:
        built, before = folder / "marts" / f"{mart.name}.parquet", live.mart(mart.name)
        edited.mart(mart.name).symlink_to((built if built.exists() else before).resolve())
        count = sum(pq.read_metadata(part).num_rows for part in parts_of(edited.mart(mart.name)))
        rows[mart.name] = MartDescription(rows=count, content_hash="-")
    shutil.copyfile(manifest, edited.manifest)
    live.description.model_copy(update={"marts": rows}).write(edited.path / "snapshot.json")
    return edited


def _failures(settings: Settings, live: Snapshot, edited: Snapshot) -> tuple[str, ...]:
    """Checks that the edited snapshot would fail, one line each."""
    from penchant.quality.validation import validate  # imports Great Expectations: 6 s

    data_docs = edited.path.parent / "data_docs"
    results = validate(edited, live, data_docs, settings.threads)
    return tuple(
        f"{name}: {failure.expectation}: {failure.rule} ({failure.severity})"
        for name, result in results.items()
        for failure in result.failures
    )


def _refit(
    settings: Settings,
    live: Snapshot,
    edited: Snapshot,
    described: tuple[Mart, ...],
    changed: set[str],
) -> "FeatureComparison | str":
    """What a refit of the ranking model finds, or why there is none."""
    read = {view.name for view in service_views(described)}
    if not changed & read:
        return "no refit: no mart of the feature service ranking changes"
    if changed & EXAMPLES:
        named = ", ".join(sorted(changed & EXAMPLES))
        return f"no refit: {named} changes, and with it the examples that both would be compared on"
    from training.commands.compare_features import compare_features  # imports PyTorch: 2 s

    try:
        return compare_features(settings, live, edited)
    except (DataError, BudgetExceeded) as error:
        return f"no refit: {error}"


def _refit_responses(
    settings: Settings,
    live: Snapshot,
    edited: Snapshot,
    described: tuple[Mart, ...],
    changed: set[str],
) -> "ResponseComparison | str | None":
    """What refits of the models of ads find, or why there is none; None where nothing changes."""
    from penchant.features.training_sets import SERVICE, SETS, joined_sets  # imports Feast: 2 s

    sets = tuple(each for each in SETS if each.name != "ad_candidates")
    read = {view.name for view in service_views(described, SERVICE)} | {one.name for one in sets}
    if not changed & read or not live.description.marts["ad_responses"].rows:
        return None
    # imports PyTorch: 2 s
    from training.commands.compare_responses import Tables, compare_responses

    try:
        versions: list[Tables] = []
        for snapshot in (live, edited):
            scratch = edited.path / f"training_sets_{len(versions)}"
            scratch.mkdir()
            versions.append(dict(joined_sets(settings, snapshot, scratch, sets)))
        return compare_responses(settings, live, *versions)
    except (DataError, NothingToDo, BudgetExceeded) as error:
        return f"no refit of the models of ads: {error}"
