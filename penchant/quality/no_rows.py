"""The expectation that a query returns no rows."""

from typing import Any, ClassVar

import great_expectations.expectations as gxe
from great_expectations.execution_engine import ExecutionEngine
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

CRITICAL, WARNING = FailureSeverity.CRITICAL, FailureSeverity.WARNING
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


def no_rows(
    rule: str,
    description: str,
    query: str,
    severity: FailureSeverity = CRITICAL,
    column: str | None = None,
) -> Expectation:
    """Expect that a query returns no rows; ``{batch}`` in it stands for the mart."""
    return ExpectNoRows(
        unexpected_rows_query=query,
        description=description,
        severity=severity,
        meta={"rule": rule, "column": column},
    )
