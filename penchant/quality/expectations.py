"""The rules of marts as expectations of Great Expectations."""

from typing import Any, ClassVar

import great_expectations.expectations as gxe
from great_expectations.execution_engine import ExecutionEngine, SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.query_metrics.query_row_count.query_row_count import (
    QueryRowCount,
)
from great_expectations.validator.metric_configuration import MetricConfiguration

from penchant.quality.results import SAMPLE
from penchant.quality.rule import Rule

ROWS = "unexpected_rows_query.table"  # GX's metric: the first rows of the query
COUNT = "unexpected_rows_query.rows_found"


class RowsFound(QueryRowCount):
    """The number of rows of a query, which is run for it only where it has returned rows.

    GX's own metric always runs a query again, which doubles the time of a validation.
    """

    metric_name = COUNT
    value_keys = ("unexpected_rows_query",)
    query_param_name: ClassVar[str] = "unexpected_rows_query"

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(  # type: ignore[override]  # GX passes all arguments by name
        cls, *, metrics: dict[str, Any], **kwargs: Any
    ) -> int:
        if not metrics[ROWS]:
            return 0
        found: int = QueryRowCount._sqlalchemy(cls, metrics=metrics, **kwargs)
        return found

    @classmethod
    def _get_evaluation_dependencies(
        cls, metric: MetricConfiguration, *arguments: Any, **kwargs: Any
    ) -> dict[str, MetricConfiguration]:
        rows = MetricConfiguration(ROWS, metric.metric_domain_kwargs, metric.metric_value_kwargs)
        return {ROWS: rows}


class ExpectNoRows(gxe.UnexpectedRowsExpectation):
    """The query returns no rows; a failure keeps a sample. ``{batch}`` stands for the mart."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (ROWS, COUNT, "table.row_count")

    def _validate(
        self,
        metrics: dict,
        runtime_configuration: dict | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        count, rows = metrics[COUNT], metrics["table.row_count"]
        found = metrics[ROWS][:SAMPLE]
        return {
            "success": count == 0,
            "result": {
                "observed_value": count,
                "element_count": rows,
                "unexpected_count": count,
                "unexpected_percent": 100 * count / rows if rows else 0.0,
                "partial_unexpected_list": [dict(row) for row in found],
            },
        }


def expectation_of(rule: Rule) -> Expectation:
    """The expectation that Great Expectations runs for a rule."""
    severity = FailureSeverity(rule.severity)
    if rule.built_in is not None:
        kind = getattr(gxe, rule.built_in.expectation)
        built_in: Expectation = kind(
            **rule.built_in.arguments, severity=severity, description=rule.description
        )
        return built_in
    return ExpectNoRows(
        unexpected_rows_query=rule.query,
        description=rule.description,
        severity=severity,
        meta={"rule": rule.name, "column": rule.column},
    )
