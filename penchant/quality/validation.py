"""One run of Great Expectations over a snapshot: a suite and a validation for each mart, one checkpoint.

The GX context is ephemeral: suites are derived anew from the snapshot's own manifest, and what is kept
is the snapshot's ``checks.json`` and its Data Docs. Nothing piles up, and nothing can be half written.
"""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import great_expectations as gx
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import ProgressBarsConfig

from penchant.manifest import Mart, read_marts
from penchant.quality.drift import stability_indices
from penchant.quality.duckdb_source import DuckDBDatasource, read_only_url
from penchant.quality.rules import (
    CRITICAL,
    NUMBERS,
    SAMPLE,
    Evidence,
    History,
    drifting_columns,
    rules_of,
)
from penchant.quality.views import add_view, rows_of
from penchant.snapshot import Snapshot

PREVIOUS = "previous__"  # prefix of the previous snapshot's views

logging.getLogger("great_expectations").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Failure:
    """An expectation that a mart does not meet. ``sample`` holds a few offending rows or values."""

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
    """How one mart fared: the number of expectations tried, and those it does not meet."""

    expectations: int
    failures: tuple[Failure, ...]


def validate(
    snapshot: Snapshot, previous: Snapshot | None, docs: Path, threads: int
) -> dict[str, MartResult]:
    """Check every mart of a snapshot and write Data Docs into the folder ``docs``.

    Results are in the order of the marts' names and do not depend on the clock or on ``threads``.
    A mart without a readable file, or without a description in the manifest, is a critical failure.
    """
    marts = {mart.name: mart for mart in read_marts(snapshot.manifest)}
    with tempfile.TemporaryDirectory(prefix="penchant-check-") as scratch:
        database = Path(scratch) / "marts.duckdb"
        evidence, refused = _gather(database, snapshot, previous, marts, threads)
        checked = _run_checkpoint(database, marts, evidence, docs, threads)
    results = refused | checked
    return {name: results[name] for name in sorted(results)}


def _gather(
    database: Path,
    snapshot: Snapshot,
    previous: Snapshot | None,
    marts: Mapping[str, Mart],
    threads: int,
) -> tuple[dict[str, Evidence], dict[str, MartResult]]:
    """Make the views and look at each mart; those that cannot be looked at are refused here."""
    described = snapshot.describe()
    evidence: dict[str, Evidence] = {}
    refused: dict[str, MartResult] = {}
    with duckdb.connect(str(database), config={"threads": threads}) as connection:
        for name in sorted({*marts, *described["marts"], *_files(snapshot)}):
            if name not in marts:
                refused[name] = _refusal("described", "the dbt manifest describes the mart")
                continue
            try:
                columns = add_view(connection, name, snapshot.mart(name))
            except duckdb.Error as error:
                refused[name] = _refusal("readable", "the mart is a whole Parquet file", str(error))
                continue
            evidence[name] = Evidence(
                columns,
                snapshot.as_of,
                described["marts"].get(name, {"rows": 0})["rows"],
                _history(connection, marts[name], columns, previous),
            )
    return evidence, refused


def _files(snapshot: Snapshot) -> list[str]:
    return [path.stem for path in (snapshot.path / "marts").glob("*.parquet")]


def _refusal(expectation: str, rule: str, observed: str = "it does not") -> MartResult:
    failure = Failure(expectation, None, CRITICAL, rule, observed.splitlines()[0], None, [])
    return MartResult(expectations=1, failures=(failure,))


def _history(
    connection: duckdb.DuckDBPyConnection,
    mart: Mart,
    columns: Mapping[str, str],
    previous: Snapshot | None,
) -> History | None:
    """The mart in the previous snapshot, if it was there; a column that is new has no drift."""
    if previous is None or not previous.mart(mart.name).is_file():
        return None
    view = PREVIOUS + mart.name
    before = add_view(connection, view, previous.mart(mart.name))
    comparable = [
        name
        for name in drifting_columns(mart)
        if columns.get(name) in NUMBERS and before.get(name) in NUMBERS
    ]
    drift = stability_indices(connection, mart.name, view, comparable)
    return History(rows_of(connection, view), drift)


def _run_checkpoint(
    database: Path,
    marts: Mapping[str, Mart],
    evidence: Mapping[str, Evidence],
    docs: Path,
    threads: int,
) -> dict[str, MartResult]:
    context = _context(docs)
    source = DuckDBDatasource(name="snapshot", connection_string=read_only_url(database, threads))
    context.add_datasource(datasource=source)
    checkpoint = gx.Checkpoint(
        name="snapshot",
        validation_definitions=[
            _validation(context, marts[name], evidence[name]) for name in sorted(evidence)
        ],
        actions=[UpdateDataDocsAction(name="data_docs")],
        result_format={"result_format": "BASIC", "partial_unexpected_count": SAMPLE},
    )
    run = context.checkpoints.add(checkpoint).run()
    return {result.suite_name: _result(result) for result in run.run_results.values()}


def _context(docs: Path) -> EphemeralDataContext:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.delete_data_docs_site("local_site")
    context.add_data_docs_site(
        "snapshot",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(docs),
            },
        },
    )
    return context


def _validation(
    context: EphemeralDataContext, mart: Mart, evidence: Evidence
) -> gx.ValidationDefinition:
    suite = gx.ExpectationSuite(name=mart.name, expectations=rules_of(mart, evidence))
    asset = context.data_sources.get("snapshot").add_table_asset(mart.name, table_name=mart.name)
    definition = gx.ValidationDefinition(
        name=mart.name,
        data=asset.add_batch_definition_whole_table("whole"),
        suite=context.suites.add(suite),
    )
    return context.validation_definitions.add(definition)


def _result(result: ExpectationSuiteValidationResult) -> MartResult:
    failures = [_failure(found) for found in result.results if not found.success]
    return MartResult(
        expectations=len(result.results),
        failures=tuple(sorted(failures, key=lambda failure: (failure.expectation, failure.rule))),
    )


def _failure(found: ExpectationValidationResult) -> Failure:
    """A failed expectation in our words. One that could not be computed at all is critical."""
    config = found.expectation_config
    assert config is not None
    outcome = found.to_json_dict()["result"]
    error = _error(found.exception_info)
    return Failure(
        expectation=config.meta.get("rule", config.type),
        column=config.meta.get("column", config.kwargs.get("column")),
        severity=CRITICAL if error else config.severity.value,
        rule=config.description or "",
        observed=error or outcome.get("observed_value"),
        unexpected_count=outcome.get("unexpected_count"),
        sample=outcome.get("partial_unexpected_list", []),
    )


def _error(exception_info: Mapping[str, Any]) -> str | None:
    """The first line of what stopped an expectation; GX gives one report, or one for each metric."""
    reports = [exception_info] if "raised_exception" in exception_info else exception_info.values()
    messages = sorted(str(each["exception_message"]) for each in reports if each["raised_exception"])
    return messages[0].splitlines()[0] if messages else None
