"""Stage ``check``: only a snapshot that passes its Great Expectations checks becomes live.

It fails closed: the pointer is flipped last, after ``checks.json`` says ``passed``. After an
exception, a kill or a critical failure the last good snapshot stays live.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from penchant.artifacts import CheckResults, CheckStatistics, MartChecks, Snapshot
from penchant.errors import DataError
from penchant.quality.changed_rows import validate_changed
from penchant.quality.docs import GX, replaced_page, write_list, write_summary
from penchant.quality.results import MartResult
from penchant.settings import Settings

ALL_ROWS_EVERY = timedelta(days=7)
"""Of data: after that, and seven checks, Great Expectations validates rows again that no build has
changed. A landing of many days at once is no reason to."""
CHECKS_A_WEEK = 7


@dataclass(frozen=True)
class CheckReport:
    """The result of a check. ``unchanged``: the snapshot had passed before. ``marts``: rows of
    each mart, and seconds that dbt took for it. ``rows``: those that were validated."""

    snapshot_id: str
    status: Literal["passed", "unchanged"]
    expectations: int
    critical_failures: int
    warnings: int
    marts: dict[str, dict[str, float]]
    rows: Literal["all", "changed"]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        counts = CheckStatistics(
            expectations=self.expectations,
            failed_critical=self.critical_failures,
            failed_warning=self.warnings,
        )
        return f"{self.snapshot_id} {self.status} on {self.rows} rows: {counts.in_words()}"


def check(settings: Settings, snapshot_id: str, all_rows: bool = False) -> CheckReport:
    """Validate a snapshot, write its ``checks.json`` and Data Docs, and make it live if it passes.

    Rows that the snapshot before it has, and has passed with, are validated again once a week (see
    ``ALL_ROWS_EVERY``), with ``all_rows``, and when a changed row fails a critical rule.
    A snapshot that has passed is not validated again. A failed one is: the rules or the snapshot
    that it is compared with may have changed. Raises DataError on a critical failure, UsageError on
    an unknown id.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    results = snapshot.check_results()
    unchanged = results is not None and results.passed
    if results is None or not results.passed:
        results = _validate(settings, snapshot, all_rows)
        results.write(snapshot.checks)
    write_list(_site(settings), _all_results(settings))
    if not results.passed:
        raise _rejected(settings, results)
    settings.live_snapshot.flip(snapshot_id)
    counts = results.statistics
    return CheckReport(
        snapshot_id,
        "unchanged" if unchanged else "passed",
        expectations=counts.expectations,
        critical_failures=counts.failed_critical,
        warnings=counts.failed_warning,
        marts=snapshot.mart_sizes(),
        rows=results.rows,
    )


def _all_results(settings: Settings) -> list[CheckResults]:
    """Results of all snapshots, the latest written first."""
    files = sorted(
        settings.snapshots.glob("*/checks.json"), key=lambda file: file.stat().st_mtime_ns
    )
    return [CheckResults.read(file) for file in reversed(files)]


def _site(settings: Settings) -> Path:
    return settings.site / "data_docs"


def _validate(settings: Settings, snapshot: Snapshot, all_rows: bool) -> CheckResults:
    """Validate a snapshot and write its pages of the Data Docs."""
    previous = _previous(settings, snapshot)
    with replaced_page(_site(settings), snapshot.id) as page:
        results = None if all_rows else _of_changed_rows(settings, snapshot, previous)
        if results is None:
            from penchant.quality.validation import validate  # imports Great Expectations: 6 s

            marts = validate(snapshot, previous, page / GX, settings.threads)
            results = _results(snapshot, previous, marts)
        write_summary(page, results)
    return results


def _of_changed_rows(
    settings: Settings, snapshot: Snapshot, previous: Snapshot | None
) -> CheckResults | None:
    """None where all rows must be validated."""
    if previous is None or snapshot.description.previous != previous.id:
        return None
    before = previous.check_results()
    if before is None or not before.passed:
        return None
    if before.all_rows_at is None or _are_due(before, snapshot.as_of - before.all_rows_at):
        return None
    marts = validate_changed(snapshot, previous, settings.threads)
    if marts is None:
        return None
    changed = {
        "rows": "changed",
        "all_rows_at": before.all_rows_at,
        "checks_since": before.checks_since + 1,
    }
    return _results(snapshot, previous, marts).model_copy(update=changed)


def _are_due(before: CheckResults, data: timedelta) -> bool:
    """Whether all rows are to be validated. ``data``: since they were."""
    if data < timedelta():
        return True
    return data >= ALL_ROWS_EVERY and before.checks_since + 1 >= CHECKS_A_WEEK


def _results(
    snapshot: Snapshot,
    previous: Snapshot | None,
    marts: Mapping[str, MartResult],
) -> CheckResults:
    """Contains no time, so that a repeated check gives the same results."""
    failures = [failure for mart in marts.values() for failure in mart.failures]
    warnings = [failure for failure in failures if failure.severity == "warning"]
    return CheckResults(
        snapshot_id=snapshot.id,
        compared_with=previous.id if previous else None,
        passed=len(failures) == len(warnings),
        all_rows_at=snapshot.as_of,
        statistics=CheckStatistics(
            expectations=sum(mart.expectations for mart in marts.values()),
            failed_critical=len(failures) - len(warnings),
            failed_warning=len(warnings),
        ),
        marts={
            name: MartChecks(
                expectations=mart.expectations,
                failed=tuple(failure.as_dict() for failure in mart.failures),
            )
            for name, mart in marts.items()
        },
    )


def _previous(settings: Settings, snapshot: Snapshot) -> Snapshot | None:
    """The live snapshot before this one; None for the first."""
    pointer = settings.live_snapshot
    before = pointer.previous() if pointer.current() == snapshot.id else pointer.current()
    return Snapshot.open(settings, before) if before else None


def _rejected(settings: Settings, results: CheckResults) -> DataError:
    lines = [
        _line(name, failure)
        for name, mart in results.marts.items()
        for failure in mart.failed
        if failure["severity"] != "warning"
    ]
    live = settings.live_snapshot.current()
    page = _site(settings) / results.snapshot_id / "index.html"
    return DataError(
        f"snapshot {results.snapshot_id} failed its checks: {len(lines)} critical failures; "
        f"{live or 'no snapshot'} stays live\n" + "\n".join(lines),
        f"see {page}; fix the landed files or the dbt model named above, then run `penchant build` "
        "and `penchant check`; if fewer rows are intended, delete "
        f"{settings.live_snapshot.path} and check again: a first snapshot is compared with none",
    )


def _line(mart: str, failure: dict[str, Any]) -> str:
    """Such as ``events: primary_key: (event_id) is unique: 3 unexpected, such as [...]``."""
    found = failure["unexpected_count"]
    what = f"{found} unexpected" if found is not None else f"observed {failure['observed']}"
    sample = f", such as {json.dumps(failure['sample'][:3])}" if failure["sample"] else ""
    return f"  {mart}: {failure['expectation']}: {failure['rule']}: {what}{sample}"
