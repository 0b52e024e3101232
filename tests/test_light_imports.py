"""The imports that stages skip."""

import subprocess
import sys

SKIPPED = """
import sys
from penchant.light_imports import import_arrays
import_arrays()
import pyarrow as pa, scipy.sparse
pa.chunked_array([[1]]).to_numpy()
assert "scipy.sparse" in sys.modules
assert not {"pandas", "numpy.f2py"} & set(sys.modules)
"""
LATER = """
import numpy as np, pandas as pd
assert np.f2py.get_include()
assert pa.table({"a": [1]}).to_pandas().equals(pd.DataFrame({"a": [1]}))
assert pa.array(pd.Series([1, None])).null_count == 1
"""


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_arrays_import_neither_pandas_nor_f2py() -> None:
    run(SKIPPED)


def test_skipped_packages_can_be_imported_later() -> None:
    run(SKIPPED + LATER)
