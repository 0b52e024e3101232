"""Stage ``build``: dbt builds the marts of all landed batches, and they become one snapshot.

A snapshot id is a hash of its inputs: the batches in the order in which later ones supersede
earlier ones, what the dbt project says and the variables of the run. The same landing is
therefore built once. The DuckDB file is scratch: every build starts with a new one.
"""

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from structlog.contextvars import bind_contextvars

from penchant.artifacts import MartDescription, Snapshot, SnapshotDescription
from penchant.building.by_hand import run_by_hand, write_variables
from penchant.building.content import describe
from penchant.building.dbt import run_dbt
from penchant.building.future import check_no_future
from penchant.building.kept_build import build_on
from penchant.building.landed import Landing, read_landing
from penchant.building.previous import Previous, kept_rows, record, set_aside
from penchant.building.project import content_version, edit_version
from penchant.building.rejected import quarantine_rejected
from penchant.building.shared_ids import shared_ids
from penchant.building.volatile import check_repeatable
from penchant.encryption.duckdb_connection import connect
from penchant.encryption.encrypted_file import protect
from penchant.errors import PenchantError
from penchant.manifest import Mart, read_marts
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, atomic_directory, held_alone, write_atomic, write_json

CHECKED_LATER = tuple(
    f"path:models/marts,test_name:{name}"
    for name in ("unique_combination", "relationships", "accepted_values")
)
"""Tests that `penchant check` derives from the manifest."""
WITHOUT_TESTS = ("--exclude-resource-type", "unit_test", "--exclude", *CHECKED_LATER)
PARSED = "partial_parse.msgpack"
PAGE_ONLY = ("--static", "--empty-catalog", "--no-compile")


@dataclass(frozen=True)
class BuildReport:
    """``status`` is built or unchanged; ``rows`` is the number of rows of each mart; ``rejected``
    of landed rows beyond the bounds of canonical_tables.yml, which are in no mart. ``excluded``:
    reason -> users whom nothing is learned from. ``warnings``: sentences about what two sources
    have in common. Both are empty where nothing was built."""

    snapshot_id: str
    status: str
    rows: dict[str, int]
    seconds: float
    rejected: int = 0
    warnings: tuple[str, ...] = ()
    excluded: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        """One line of output."""
        rejected = f", {self.rejected:,} landed rows beyond bounds" if self.rejected else ""
        users = ", ".join(f"{users:,} {reason}" for reason, users in self.excluded.items())
        left_out = f", users left out of training: {users}" if users else ""
        return "; ".join(
            [
                f"snapshot {self.snapshot_id} {self.status}: {len(self.rows)} marts, "
                f"{sum(self.rows.values()):,} rows{rejected}{left_out} ({self.seconds:.1f} s)",
                *self.warnings,
            ]
        )


def build(settings: Settings, full_refresh: bool = False) -> BuildReport:
    """Build the snapshot of all landed batches, unless it exists.

    ``full_refresh``: keep no row of the previous build.
    Raises as ``read_landing`` and ``run_dbt`` do.
    """
    started = time.monotonic()
    with held_alone(
        settings.warehouse.parent
    ):  # nobody is erased between the identity and the rows
        landing = read_landing(settings)
        snapshot_id = identify(settings, landing)
        bind_contextvars(snapshot_id=snapshot_id)
        final = settings.snapshots / snapshot_id
        write_variables(settings, landing)
        status = "unchanged" if final.exists() else "built"
        rejected = quarantine_rejected(settings, landing)
        if status == "built":
            previous = set_aside(settings, landing)
            _remove_scratch(settings)
            with atomic_directory(final) as staging:
                _build(settings, landing, snapshot_id, staging, None if full_refresh else previous)
            record(settings, landing, Snapshot.open(settings, snapshot_id))
    if status == "unchanged" and _project_changed(settings):
        _run_unit_tests(settings)
    marts = Snapshot.open(settings, snapshot_id).description.marts
    rows = {name: mart.rows for name, mart in marts.items()}
    seconds = round(time.monotonic() - started, 2)
    warnings: tuple[str, ...] = ()
    excluded: dict[str, int] = {}
    if status == "built":
        warnings = shared_ids(settings.warehouse, settings.dbt_project, landing.sources)
        excluded = _excluded(settings)
        protect(settings.warehouse)
    return BuildReport(snapshot_id, status, rows, seconds, rejected, warnings, excluded)


def _excluded(settings: Settings) -> dict[str, int]:
    """Reason -> users whom the marts of training leave out."""
    query = "select reason, count(*) from int_excluded_users group by reason order by reason"
    warehouse = settings.warehouse
    with connect(warehouse, str(warehouse), read_only=True) as connection:
        return dict(connection.execute(query).fetchall())


def identify(settings: Settings, landing: Landing) -> str:
    """The snapshot id: the same for the same batches, dbt project and variables, on any day."""
    digest = hashlib.sha256()
    for batch in landing.batches:
        digest.update(f"{batch.name}\n".encode())
    digest.update(content_version(settings.dbt_project).encode())
    digest.update(json.dumps(landing.variables, sort_keys=True).encode())
    return f"s-{landing.as_of:%Y%m%d}-{digest.hexdigest()[:12]}"


def docs(settings: Settings) -> Path:
    """Write dbt's documentation as one page of the static site; return its path.

    Raises as ``build`` does.
    """
    page = settings.site / "dbt_docs" / "index.html"
    landing = read_landing(settings)
    with held_alone(settings.warehouse.parent):
        target = run_dbt(
            settings, landing, settings.warehouse.parent, "docs", "generate", *PAGE_ONLY
        )
        write_atomic(page, (target / "static_index.html").read_text())
    return page


def _build(
    settings: Settings, landing: Landing, snapshot_id: str, staging: Path, previous: Previous | None
) -> None:
    folder = staging / "marts"
    folder.mkdir()
    edited = _project_changed(settings)
    previous = None if edited else previous
    if previous:
        results = build_on(settings, landing, folder, previous)
        shutil.copyfile(previous.snapshot.manifest, staging / "manifest.json")
        write_json(staging / "run_results.json", {"results": results})
    else:
        _build_by_dbt(settings, landing, staging, edited)
    marts = read_marts(staging / "manifest.json")
    kept = kept_rows(settings, previous, marts, folder) if previous else {}

    def before(mart: Mart) -> tuple[MartDescription, Path] | None:
        if previous is None or mart.name not in previous.snapshot.description.marts:
            return None
        earlier = previous.snapshot
        return earlier.description.marts[mart.name], earlier.mart(mart.name)

    with connect(settings.home, config={"threads": settings.threads}) as connection:
        described = {
            mart.name: describe(connection, mart, folder / f"{mart.name}.parquet", before(mart))
            for mart in marts
        }
    description = SnapshotDescription(
        id=snapshot_id,
        as_of=landing.as_of,
        sources=landing.sources,
        batches=len(landing.batches),
        landed=tuple(batch.name for batch in landing.batches),
        last_feedback=landing.last_feedback,
        previous=previous.snapshot.id if previous else None,
        marts={
            name: mart.model_copy(update={"kept": kept.get(name)})
            for name, mart in described.items()
        },
    )
    description.write(staging / "snapshot.json")


def _build_by_dbt(settings: Settings, landing: Landing, staging: Path, edited: bool) -> None:
    """Build all rows, and after an edit of the project run all of its tests."""
    folder = staging / "marts"
    arguments = () if edited else WITHOUT_TESTS
    target = run_dbt(settings, landing, folder, "build", *arguments)
    check_repeatable(target / "manifest.json")
    if edited:
        check_no_future(settings, landing, target / "manifest.json", folder)
    write_atomic(_project_built(settings), edit_version(settings.dbt_project))
    for artifact in ("manifest.json", "run_results.json"):
        shutil.copyfile(target / artifact, staging / artifact)


def _project_built(settings: Settings) -> Path:
    """Where the hash of the dbt project of the last build is."""
    return settings.warehouse.parent / "dbt_project.sha256"


def _project_changed(settings: Settings) -> bool:
    """Whether models or their tests were edited since the last build here: then all tests run.

    The unit tests of the project as it is installed have passed before it was released.
    """
    built = _project_built(settings)
    return built.exists() and built.read_text() != edit_version(settings.dbt_project)


def _run_unit_tests(settings: Settings) -> None:
    """Run the unit tests of an edit that changes no mart. Raises PenchantError when one fails."""
    if run_by_hand(settings, ["test", "--select", "test_type:unit"]):
        raise PenchantError(
            "a unit test of the dbt project failed: dbt's lines above name it",
            f"fix the model or the expectation under {settings.dbt_project}",
        )
    write_atomic(_project_built(settings), edit_version(settings.dbt_project))


def _remove_scratch(settings: Settings) -> None:
    """Remove the scratch files of the last build and the staging folders of killed ones.

    dbt's parsed project stays: a build after it parses only what changed.
    """
    scratch = settings.warehouse.parent
    for file in scratch.glob(f"{settings.warehouse.name}*"):
        file.unlink()
    shutil.rmtree(scratch / "tmp", ignore_errors=True)
    for written in (scratch / "target").glob("*"):
        if written.is_dir():
            shutil.rmtree(written)
        elif written.name != PARSED:
            written.unlink()
    for unfinished in settings.snapshots.glob(f"{STAGING_PREFIX}s-*"):
        shutil.rmtree(unfinished)
