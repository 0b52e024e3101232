"""Package boundaries: the allowed direction, no cycles, forbidden libraries, package size."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("penchant", "training", "feature_repo", "dags")
MOST_FILES = 40
NONE = "penchant.none"

# Which area may import which, beside itself and the leaves: `area: areas that it may import`.
# An area is a package of `penchant` with all inside it, or a top-level package.
LEAVES = (
    "api_schemas artifacts encryption errors feast_sdk feedback home_key identities interactions "
    "lineage logs manifest plots privacy_ledger pseudonyms ranking sequences settings storage "
    "subjects telemetry vault vectors words"
)
DIRECTION = """
ads alerts bandits building encoders ingestion insights quality feature_repo: none
features: feature_repo
releases: features bandits encoders
publishing: releases features encoders
serving: releases features bandits encoders ads
api: alerts serving releases features insights privacy
privacy: building ingestion insights publishing releases
report: serving releases bandits insights
platform: report serving
reconciliation: building training
previewing: building quality features training
pruning: privacy releases
monitoring: alerts quality releases
training: bandits encoders platform.processes
dags: training.names platform.processes
"""
# Inside `training`, a package imports only packages to the left of it.
TRAINING = (
    "data privacy evaluation.metrics fitting layers families configs federated evaluation "
    "campaigns commands"
)
FORBIDDEN_LIBRARIES = {
    "penchant.bandits": {"torch", "scipy", "pandas", "pyarrow", "duckdb", "airflow", "feast"},
    "penchant.bandits.experiments": {"torch", "airflow", "feast"},
    "penchant.ranking": {"torch", "scipy", "pandas", "pyarrow", "duckdb", "airflow", "feast"},
    "penchant.serving": {"torch", "airflow"},
    "penchant.api": {"torch", "airflow"},
    "training": {"airflow", "feast"},
    "dags": {"torch", "feast", "duckdb", "pandas", "numpy", "great_expectations"},
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = {}
    for file in (file for top in OURS for file in sorted((ROOT / top).rglob("*.py"))):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = file
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """Names a module imports, anywhere in it; `from a import b` counts as `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def full(names: str) -> set[str]:
    """Dotted names from the short ones of the tables above."""
    tops = (*OURS, "tests")
    return {n if n.split(".")[0] in tops else f"penchant.{n}" for n in names.split()} - {NONE}


def direction() -> dict[str, set[str]]:
    lines = (line.split(":") for line in DIRECTION.split("\n") if line)
    return {area: full(allowed) for areas, allowed in lines for area in full(areas)}


def within(name: str, areas: set[str]) -> bool:
    return any(name == area or name.startswith(f"{area}.") for area in areas)


def members(area: str, without: set[str] = frozenset()) -> list[str]:
    """Modules of an area, without those of smaller areas inside it."""
    found = [m for m in modules() if within(m, {area}) and not within(m, without)]
    assert found, f"{area}: no such package. Remove it from this test, or correct its name."
    return found


def internal(module: str) -> Iterator[str]:
    return (name for name in imports(module) if name.split(".")[0] in {*OURS, "tests"})


def package(module: str) -> str:
    """The node of the graph: a directory, or a module at the top of `penchant` or `training`."""
    if modules()[module].name == "__init__.py":
        return module
    parent = module.rpartition(".")[0]
    return module if parent in OURS else parent


def imported_module(name: str) -> str:
    """The module that an imported name is, or is defined in."""
    return name if name in modules() else name.rpartition(".")[0]


@pytest.mark.parametrize("area", sorted(direction()))
def test_packages_import_in_the_allowed_direction(area: str) -> None:
    allowed = direction()[area] | full(LEAVES) | {area}
    for module in members(area):
        wrong = {name for name in internal(module) if not within(name, allowed)}
        assert not wrong, f"{module} must not import {sorted(wrong)}"


@pytest.mark.parametrize("leaf", sorted(full(LEAVES)))
def test_leaves_import_only_leaves(leaf: str) -> None:
    for module in members(leaf):
        wrong = {name for name in internal(module) if not within(name, full(LEAVES))}
        assert not wrong, f"{module} must not import {sorted(wrong)}"


@pytest.mark.parametrize("stage", TRAINING.split())
def test_training_packages_import_only_earlier_stages(stage: str) -> None:
    stages = [f"training.{name}" for name in TRAINING.split()]
    position = stages.index(f"training.{stage}")
    earlier, later = set(stages[: position + 1]), set(stages[position + 1 :])
    for module in members(f"training.{stage}", set(stages[:position])):
        wrong = {n for n in internal(module) if within(n, later) and not within(n, earlier)}
        assert not wrong, f"{module} must not import {sorted(wrong)}"


def test_families_do_not_import_each_other() -> None:
    for module in members("training.families"):
        wrong = {name for name in internal(module) if within(name, {"training.families"})}
        assert not wrong, f"{module} must not import {sorted(wrong)}: share code in training.layers"


def test_nothing_but_the_command_line_imports_the_api_or_the_dags() -> None:
    for module in modules():
        for area in ("penchant.api", "dags"):
            if not within(module, {area, "penchant.commands"}):
                wrong = {name for name in internal(module) if within(name, {area})}
                assert not wrong, f"{module} must not import {sorted(wrong)}"


def test_no_import_cycles_between_packages() -> None:
    graph: dict[str, set[str]] = {package(module): set() for module in modules()}
    for module in modules():
        for name in internal(module):
            target = imported_module(name)
            if target in modules() and package(target) != package(module):
                graph[package(module)].add(package(target))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("area", FORBIDDEN_LIBRARIES)
def test_packages_do_not_import_forbidden_libraries(area: str) -> None:
    for module in members(
        area, {other for other in FORBIDDEN_LIBRARIES if within(other, {area})} - {area}
    ):
        wrong = {name for name in imports(module) if within(name, FORBIDDEN_LIBRARIES[area])}
        assert not wrong, f"{module} must not import {sorted(wrong)}"


def test_no_package_has_more_than_forty_files() -> None:
    folders = {file.parent for file in modules().values()}
    sizes = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: size for name, size in sizes.items() if size > MOST_FILES} == {}
