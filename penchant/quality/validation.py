"""Run Great Expectations on a snapshot: one checkpoint, with a suite for each mart.

The GX context is ephemeral: suites are derived from the snapshot's manifest at each run. Only
``checks.json`` and the Data Docs are kept.
"""

import logging
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.util import convert_to_json_serializable
from sqlalchemy.exc import SAWarning

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.errors import DataError
from penchant.manifest import Mart, read_marts
from penchant.quality.drift import stability_indices
from penchant.quality.duckdb_source import DuckDBDatasource, read_only_url
from penchant.quality.expectations import expectation_of
from penchant.quality.results import SAMPLE, Failure, MartResult, in_order
from penchant.quality.rule import CRITICAL
from penchant.quality.rules import Evidence, History, drifting_columns, rules_of
from penchant.quality.views import (
    NUMBERS,
    PREVIOUS,
    add_view,
    rows_of,
    without_values,
)

logging.getLogger("great_expectations").setLevel(logging.WARNING)


def validate(
    snapshot: Snapshot, previous: Snapshot | None, docs: Path, threads: int
) -> dict[str, MartResult]:
    """Validate every mart of a snapshot and write Data Docs into the folder ``docs``.

    Results are sorted by mart and do not depend on the clock or on ``threads``. A mart that has no
    readable file or is not in the manifest is a critical failure. Raises DataError when the
    snapshot has no marts.
    """
    marts = {mart.name: mart for mart in read_marts(snapshot.manifest)}
    with tempfile.TemporaryDirectory(prefix="penchant-check-") as scratch:
        database = Path(scratch) / "marts.duckdb"
        evidence, results = _gather(database, snapshot, previous, marts, threads)
        if evidence:  # GX runs no empty checkpoint
            results |= _run_checkpoint(snapshot.id, database, marts, evidence, docs, threads)
    if not results:
        raise DataError(
            f"snapshot {snapshot.id} has no marts, in its manifest or on disk",
            "the dbt project has no model under models/marts; restore it and run `penchant build`",
        )
    return {name: results[name] for name in sorted(results)}


def _gather(
    database: Path,
    snapshot: Snapshot,
    previous: Snapshot | None,
    marts: Mapping[str, Mart],
    threads: int,
) -> tuple[dict[str, Evidence], dict[str, MartResult]]:
    """Create a view per mart and collect its evidence; unreadable marts fail here."""
    described = snapshot.description.marts
    evidence: dict[str, Evidence] = {}
    failed: dict[str, MartResult] = {}
    with connect(snapshot.path, str(database), config={"threads": threads}) as connection:
        for name in sorted({*marts, *described, *_files(snapshot)}):
            if name not in marts:
                failed[name] = _critical("described", "the mart is in the dbt manifest")
                continue
            try:
                columns = add_view(connection, name, snapshot.mart(name))
            except duckdb.Error as error:
                failed[name] = _critical(
                    "readable", "the mart is a readable Parquet file", str(error)
                )
                continue
            evidence[name] = Evidence(
                columns,
                snapshot.as_of,
                described[name].rows if name in described else 0,
                _history(connection, marts[name], columns, previous),
                _without_values(connection, marts[name], name, columns),
            )
    return evidence, failed


def _files(snapshot: Snapshot) -> list[str]:
    return [path.stem for path in (snapshot.path / "marts").glob("*.parquet")]


def _critical(expectation: str, rule: str, observed: str = "it is not") -> MartResult:
    failure = Failure(expectation, None, CRITICAL, rule, observed.splitlines()[0], None, [])
    return MartResult(expectations=1, failures=(failure,))


def _history(
    connection: duckdb.DuckDBPyConnection,
    mart: Mart,
    columns: Mapping[str, str],
    previous: Snapshot | None,
) -> History | None:
    """The mart in the previous snapshot, if it exists; new columns have no drift."""
    if previous is None or not previous.mart(mart.name).exists():
        return None
    view = PREVIOUS + mart.name
    before = add_view(connection, view, previous.mart(mart.name))
    keyed = columns.keys() & before.keys() >= set(mart.primary_key)
    comparable = [
        name
        for name in drifting_columns(mart)
        if keyed and columns.get(name) in NUMBERS and before.get(name) in NUMBERS
    ]
    drift = stability_indices(connection, mart.name, view, mart.primary_key, comparable)
    return History(
        rows_of(connection, view),
        drift,
        tuple(before),
        _without_values(connection, mart, view, before),
    )


def _without_values(
    connection: duckdb.DuckDBPyConnection, mart: Mart, view: str, columns: Mapping[str, str]
) -> frozenset[str]:
    """Columns of a feature mart that are null in every row."""
    return without_values(connection, view, columns) if mart.has_features else frozenset()


def _run_checkpoint(
    snapshot_id: str,
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
            _validation(context, source, marts[name], evidence[name]) for name in sorted(evidence)
        ],
        result_format={"result_format": "BASIC", "partial_unexpected_count": SAMPLE},
    )
    with warnings.catch_warnings():
        # the dialect has no array type; nothing here needs SQLAlchemy's types
        warnings.filterwarnings("ignore", "Did not recognize type 'list'", SAWarning)
        run = context.checkpoints.add(checkpoint).run(run_id=RunIdentifier(snapshot_id))
    context.build_data_docs()  # once: the checkpoint's action would build the site for each mart
    results = {result.suite_name: _result(result) for result in run.run_results.values()}
    return {name: results[name] for name in evidence}  # KeyError if GX left out a mart


def _context(docs: Path) -> EphemeralDataContext:
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        # a validation's page shows its suite: separate pages of suites would double the time
        "site_section_builders": {"expectations": "none", "profiling": "none"},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(docs),
        },
    }
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={"snapshot": site},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _validation(
    context: EphemeralDataContext, source: DuckDBDatasource, mart: Mart, evidence: Evidence
) -> gx.ValidationDefinition:
    suite = gx.ExpectationSuite(
        name=mart.name, expectations=list(map(expectation_of, rules_of(mart, evidence)))
    )
    asset = source.add_table_asset(mart.name, table_name=mart.name)
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
        failures=in_order(failures),
    )


def _failure(found: ExpectationValidationResult) -> Failure:
    """A failed expectation. One that could not be computed is critical."""
    config = found.expectation_config
    assert config is not None
    outcome: dict[str, Any] = convert_to_json_serializable(found.result)
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
    """The first line of an exception, if any; GX reports one, or one per metric."""
    reports = [exception_info] if "raised_exception" in exception_info else exception_info.values()
    messages = sorted(
        str(each["exception_message"]) for each in reports if each["raised_exception"]
    )
    return messages[0].splitlines()[0] if messages else None
