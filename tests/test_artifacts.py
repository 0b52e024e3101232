"""The names of `penchant.artifacts`, whose modules are imported on demand."""

import pytest

from penchant import artifacts


@pytest.mark.parametrize("name", artifacts.__all__)
def test_every_listed_name_is_found(name: str) -> None:
    assert getattr(artifacts, name).__name__ == name


def test_another_name_is_an_import_error() -> None:
    with pytest.raises(ImportError):
        exec("from penchant.artifacts import Nothing")
