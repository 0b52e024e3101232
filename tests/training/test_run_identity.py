"""A run's identity changes with the code that can change its result, and with nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from penchant.artifacts import Snapshot
from penchant.settings import PROJECT_ROOT, Settings
from training.commands.run_identity import code_version, run_id_of
from training.fitting import capabilities
from training.fitting.factory import default_config, make
from training.fitting.family import Ranker
from training.names import FAMILIES, READ_EVERY_MART, TASKS

Planted = tuple[Settings, str]

CAPABILITIES = {
    "ranking": Ranker,
    "interests": capabilities.ClassifiesInterests,
    "response": capabilities.PredictsResponse,
    "generation": capabilities.Generates,
    "off_policy_evaluation": capabilities.ChoosesActions,
    "tags": capabilities.ProposesTags,
    "transfer": capabilities.Transfers,
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the source tree, to edit before it is hashed."""
    for package in ("penchant", "training"):
        shutil.copytree(
            PROJECT_ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def edit(source: Path, file: str, code: str = "\nEDITED = True\n") -> None:
    path = source / file
    path.write_text(path.read_text() + code)


def changed(source: Path, families: tuple[str, ...] = FAMILIES) -> set[str]:
    return {name for name in families if code_version(name, source) != code_version(name)}


def test_unchanged_code_has_the_same_version_anywhere(source: Path) -> None:
    assert changed(source) == set()


def test_comments_docstrings_and_formatting_change_no_version(source: Path) -> None:
    for path in [*source.rglob("training/**/*.py"), *source.rglob("penchant/**/*.py")]:
        text = path.read_text()
        if text.startswith('"""'):
            text = text.replace('"""', '"""Edited. ', 1)
        path.write_text(text + '\n\n\n# a comment\n"""A docstring of nothing."""\n')
    assert changed(source) == set()


@pytest.mark.parametrize("family", ["user_cf", "ease", "vae"])
def test_editing_a_family_changes_that_family_only(family: str, source: Path) -> None:
    edit(source, f"training/families/{family}.py")
    assert changed(source) == {family}


def test_editing_a_policy_changes_the_bandit_and_not_ease(source: Path) -> None:
    edit(source, "penchant/bandits/logistic.py")
    assert changed(source, ("bandit", "ease")) == {"bandit"}


def test_imports_for_type_checkers_alone_are_not_followed(source: Path) -> None:
    edit(source, "training/data/policy_log.py")
    assert changed(source, ("bandit", "ease")) == {"bandit"}


def test_editing_an_evaluator_changes_the_families_that_it_evaluates(source: Path) -> None:
    edit(source, "training/evaluation/tags.py")
    assert changed(source) == {"content"}


def test_editing_what_all_families_share_changes_all(source: Path) -> None:
    edit(source, "training/data/split.py")
    assert changed(source) == set(FAMILIES)


def test_editing_settings_or_costs_changes_no_version(source: Path) -> None:
    edit(source, "training/names.py")
    edit(source, "penchant/settings.py")
    assert changed(source) == set()


def test_follows_imports_inside_functions(source: Path) -> None:
    edit(source, "training/families/ease.py", "\ndef late():\n    import training.layers.late\n")
    late = source / "training/layers/late.py"
    late.write_text("VALUE = 1\n")
    before = code_version("ease", source)
    other = source / "other"
    for package in ("penchant", "training"):
        shutil.copytree(source / package, other / package)
    (other / "training/layers/late.py").write_text("VALUE = 2\n")
    assert code_version("ease", other) != before


def test_a_combination_depends_on_the_runs_of_its_members(planted: Planted) -> None:
    snapshot = Snapshot.open(*planted)
    config = default_config("fusion")
    first, second = (
        run_id_of(snapshot, "fusion", config, 0, members) for members in (("ease-1",), ("ease-2",))
    )
    assert first != second
    orders = [("ease-1", "vae-1"), ("vae-1", "ease-1")]
    assert len({run_id_of(snapshot, "fusion", config, 0, members) for members in orders}) == 1


READS_MORE = re.compile(r"\.(training_set|policy_log|feature_history)\(")


@pytest.mark.parametrize("name", FAMILIES)
def test_names_declare_the_families_that_read_every_mart(name: str) -> None:
    classes = type(make(name, default_config(name))).__mro__
    modules = (
        *(
            each.__module__
            for each in classes
            if re.match(r"training\.(famil|lay)", each.__module__)
        ),
        *(f"training.evaluation.{task}" for task in TASKS[name]),
    )
    texts = [(PROJECT_ROOT / f"{module.replace('.', '/')}.py").read_text() for module in modules]
    assert (name in READ_EVERY_MART) == any(READS_MORE.search(text) for text in texts)


@pytest.mark.parametrize("name", FAMILIES)
def test_names_declare_the_tasks_that_a_family_can_do(name: str) -> None:
    family = make(name, default_config(name))
    able = [task for task, capability in CAPABILITIES.items() if isinstance(family, capability)]
    assert list(TASKS[name]) == able


def test_identifying_all_families_imports_no_torch() -> None:
    code = """
import sys
from training.commands.run_identity import code_version
from training.names import FAMILIES
assert len({code_version(name) for name in FAMILIES}) == len(FAMILIES)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT_ROOT)
