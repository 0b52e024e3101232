"""The benchmark of a GPU, at a size that a CPU runs in seconds."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import gpu

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {"torch", "numpy", "scipy", "pyarrow", "safetensors", "structlog"}


def imported_on_loading(body: list[ast.stmt]) -> Iterator[str]:
    """Names that a module's top level imports; those for types only are left out."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) != "TYPE_CHECKING":
            yield from imported_on_loading([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from imported_on_loading(node.body)


def files_of(name: str) -> Iterator[Path]:
    """The file of a module, or of the module that a name is defined in, and its packages'."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = ROOT.joinpath(*parts[:length])
        yield from (p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file())


def test_needs_no_package_beside_the_declared_ones() -> None:
    waiting, seen, outside = ["benchmarks.gpu"], set(), set()
    while waiting:
        name = waiting.pop()
        if name.split(".")[0] not in {"benchmarks", "penchant", "training"}:
            outside.add(name.split(".")[0])
            continue
        for file in set(files_of(name)) - seen:
            seen.add(file)
            waiting += imported_on_loading(ast.parse(file.read_text()).body)
    assert ROOT / "training/families/hstu.py" in seen
    assert outside - set(sys.stdlib_module_names) <= ALLOWED


def test_measures_both_families_on_a_cpu() -> None:
    size = replace(gpu.SMALL, fit_seconds=0.1)
    report = gpu.measure(size, torch.device("cpu"), seconds=120, compiled=False)
    assert [loss.get("missing") for loss in report.losses] == [None, None]
    assert all(loss["relative_difference"]["float32"] < 1e-6 for loss in report.losses)
    assert all(loss["relative_difference"]["bfloat16"] < 0.02 for loss in report.losses)
    assert [fit.get("missing") for fit in report.fits] == [None, None]
    assert all(fit["teraflops"] > 0 and fit["top"] for fit in report.fits)
    assert "Where the time goes: `hstu`, eager" in gpu.page(report)


def test_says_what_the_time_limit_left_out() -> None:
    report = gpu.measure(gpu.SMALL, torch.device("cpu"), seconds=0, compiled=False)
    assert {fit["missing"] for fit in report.fits} == {"time limit"}
    assert "not measured: time limit" in gpu.page(report)
