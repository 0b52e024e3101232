"""A contract that the SQL of a mart breaks."""

import json
from pathlib import Path

import pytest

from penchant.building.contract import broken_contract
from penchant.building.dbt import _check_results
from penchant.errors import PenchantError

MESSAGE = """\
Compilation Error in model user_statistics (models/marts/features/user_statistics.sql)
  This model has an enforced contract that failed.
  Please ensure the name, data_type, and number of columns in your contract match the columns in \
your model's definition.

  | column_name   | definition_type | contract_type | mismatch_reason       |
  | ------------- | --------------- | ------------- | --------------------- |
  | spend_per_day | DOUBLE          |               | missing in contract   |
  | orders        |                 | BIGINT        | missing in definition |
  | prices        | DECIMAL(18,4)[] | DOUBLE[]      | data type mismatch    |

  > in macro assert_columns_equivalent (macros/relations/column/columns_spec_ddl.sql)
"""
MART = "models/marts/features/user_statistics"
DIFFERENCES = [
    f"{MART}: column spend_per_day is in the SQL and not in the YAML: its data_type is double",
    f"{MART}: column orders is in the YAML (bigint) and not in the SQL",
    f"{MART}: column prices is decimal(18,4)[] in the SQL and double[] in the YAML",
]


def test_a_line_for_each_column() -> None:
    assert broken_contract(MESSAGE) == DIFFERENCES
    assert broken_contract("Runtime Error\n  | a | b | c | d |") == []


def test_error_names_columns_and_what_to_do(tmp_path: Path) -> None:
    results = [
        {"unique_id": "model.penchant.user_statistics", "status": "error", "message": MESSAGE}
    ]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": results}))
    with pytest.raises(PenchantError) as raised:
        _check_results(tmp_path / "run_results.json", tmp_path / "dbt.log")
    lines = str(raised.value).splitlines()
    assert lines[0] == "the SQL and the YAML of a mart differ:"
    assert [line.strip() for line in lines[1:3]] == DIFFERENCES[:2]
    assert "or cast it in the SQL" in lines[-1]
