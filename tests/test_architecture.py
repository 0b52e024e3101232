"""The arrows between the rooms: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("penchant", "training", "feature_repo", "dags", "tests", "benchmarks")
NAMES = (
    "assignment bar_plot charts errors feedback group_commit logs manifest palette policy settings "
    "snapshot storage vectors"
)
LEAVES = {f"penchant.{leaf}" for leaf in NAMES.split()}
PACING = {"penchant.ads.campaigns", "penchant.ads.pacing"}  # of a plan's day, as it is served
ANYTHING_OF = {
    "penchant/ingestion": LEAVES | {"penchant.ingestion"},
    "penchant/quality": LEAVES | {"penchant.quality"},
    "penchant/serving": LEAVES | {"penchant.serving", "feature_repo"} | PACING,
    "penchant/platform": LEAVES | {"penchant.platform", "penchant.report", "penchant.serving"},
    "penchant/experiments": LEAVES | {"penchant.bandits.experiments"},
    "penchant/ads": LEAVES | {"penchant.ads"},
    "penchant/building": LEAVES | {"penchant.building"},
    "penchant/client.py": {"penchant.errors"},
    "feature_repo": LEAVES | {"feature_repo", "penchant.feast_sdk"},
    "training": LEAVES | {"training"},
    "dags": {"dags", "training.names", "penchant.errors", "penchant.platform.processes"},
}
FORBIDDEN_LIBRARIES = {
    "penchant/policy": {"torch", "scipy", "pandas", "pyarrow", "duckdb", "airflow", "feast"},
    "penchant/serving": {"torch", "airflow"},
    "training": {"airflow", "feast"},
    "dags": {"torch", "feast", "duckdb", "pandas", "numpy", "great_expectations"},
}


def files_of(place: str) -> list[Path]:
    path = ROOT / place
    if path.with_suffix(".py").is_file():
        path = path.with_suffix(".py")
    return [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


def imports_of(file: Path) -> set[str]:
    """Every module a file imports, anywhere in it; ``from a import b`` counts as ``a.b``."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, allowed: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in allowed)


@pytest.mark.parametrize("place", ANYTHING_OF)
def test_a_room_imports_only_what_the_design_allows(place: str) -> None:
    assert files_of(place), f"{place} has no files: the rule would hold for nothing"
    for file in files_of(place):
        ours = {name for name in imports_of(file) if name.split(".")[0] in ROOMS}
        wrong = {name for name in ours if not within(name, ANYTHING_OF[place])}
        assert not wrong, f"{file.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("place", FORBIDDEN_LIBRARIES)
def test_a_room_does_not_know_its_neighbours_libraries(place: str) -> None:
    for file in files_of(place):
        wrong = {name for name in imports_of(file) if within(name, FORBIDDEN_LIBRARIES[place])}
        assert not wrong, f"{file.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_leaves_import_only_leaves() -> None:
    for leaf in LEAVES:
        ours = {
            name
            for file in files_of(leaf.replace(".", "/"))
            for name in imports_of(file)
            if name.split(".")[0] in ROOMS
        }
        assert all(within(name, LEAVES) for name in ours), leaf
