"""Disables the telemetry of dbt, Feast, Great Expectations and MLflow. Imported before them."""

import os

OFF = {
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "FEAST_USAGE": "False",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def disable_telemetry() -> None:
    os.environ.update(OFF)
