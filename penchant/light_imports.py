"""Imports that libraries make and no stage needs, skipped.

Every model family trains in a process of its own, in which these took 0.7 CPU seconds.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def import_arrays() -> None:
    """Import PyArrow without pandas, and SciPy's sparse matrices without ``numpy.f2py``.

    PyArrow asks for pandas at its first conversion, to recognize a Series, and again where a table
    becomes a DataFrame. SciPy copies every public name of NumPy, also of packages that NumPy
    imports when their name is read. Both packages can be imported afterwards.
    """
    import numpy as np
    import pyarrow as pa

    if "pandas" not in sys.modules:
        with _hidden("pandas"):
            pa.array([])
    if "f2py" not in vars(np):
        np.f2py = None  # type: ignore[assignment]
        importlib.import_module("scipy.sparse")
        del np.f2py


class _Hidden:
    """A finder of modules that makes the import of a package raise ModuleNotFoundError."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self._package:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    finder = _Hidden(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
