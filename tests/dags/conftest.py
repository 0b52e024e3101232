"""A temporary AIRFLOW_HOME, set before anything imports Airflow."""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="penchant-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
# the DAG files import `dags.…`; the platform puts the project on PYTHONPATH
sys.path.insert(0, str(ROOT))
