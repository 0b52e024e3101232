"""The rules of marts as expectations of Great Expectations."""

from typing import Any, ClassVar

import great_expectations.expectations as gxe
from great_expectations.execution_engine import ExecutionEngine
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from penchant.quality.rule import Rule

SAMPLE = 5  # unexpected rows shown with a failure


class ExpectNoRows(gxe.UnexpectedRowsExpectation):
    """The query returns no rows; a failure keeps a sample. ``{batch}`` stands for the mart."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (
        *gxe.UnexpectedRowsExpectation.metric_dependencies,
        "table.row_count",
    )

    def _validate(
        self,
        metrics: dict,
        runtime_configuration: dict | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        count, rows = metrics["unexpected_rows_query.row_count"], metrics["table.row_count"]
        found = metrics["unexpected_rows_query.table"][:SAMPLE]
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
