"""requirements.lock is complete, because pip installs it without resolving."""

import re
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def versions(lock: str) -> dict[str, str]:
    """Locked version by name."""
    lines = [line for line in (ROOT / lock).read_text().splitlines() if "==" in line]
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


LOCKED = versions("requirements.lock")
OF_EXTRAS = versions("requirements-production.lock")
INSTALLED_OTHERWISE = re.compile(r"nvidia-|cuda-|triton$|setuptools$")
"""Dependencies of torch, which pip resolves, and setuptools, part of every venv of Python 3.11."""


def required(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """Names of the direct and indirect dependencies of ``name`` with ``extras``."""
    if (name, extras) in seen:
        return set()
    seen.add((name, extras))
    needed: set[str] = set()
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        applies = [
            requirement.marker is None or requirement.marker.evaluate({"extra": extra})
            for extra in ("", *extras)
        ]
        child = canonicalize_name(requirement.name)
        if not any(applies) or INSTALLED_OTHERWISE.match(child):
            continue
        needed.add(child)
        if child in LOCKED:
            needed |= required(child, frozenset(requirement.extras), seen)
    return needed


def test_lock_contains_all_dependencies() -> None:
    needed = required("penchant", frozenset({"dev"}), set())
    assert len(needed) > 100
    assert needed - LOCKED.keys() == set()


def test_locked_packages_install_on_the_first_python_3_11() -> None:
    """Debian 12 has 3.11.2, for which pip finds no package that requires a later one."""
    required_python = {name: distribution(name).metadata.get("Requires-Python") for name in LOCKED}
    refusing = {
        name: specifier
        for name, specifier in required_python.items()
        if not SpecifierSet(specifier or "").contains("3.11.0")
    }
    assert refusing == {}


def test_dp_accounting_lacks_only_an_older_attrs() -> None:
    """pip can't resolve it beside Airflow (ADR 33), so no requirement of Penchant's names it."""
    assert "dp-accounting" in LOCKED
    unmet = {
        requirement.name
        for requirement in map(Requirement, distribution("dp-accounting").requires or [])
        if not requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)])
    }
    assert unmet == {"attrs"}


def test_extras_of_the_production_image_are_locked() -> None:
    """Their packages aren't installed here, so only what names them is resolved."""
    locked = LOCKED | OF_EXTRAS
    assert not LOCKED.keys() & OF_EXTRAS.keys()
    named = [
        *extra_requirements("penchant", "production"),
        *extra_requirements("penchant", "text"),
        *(
            each
            for extra in ("celery", "fab", "postgres")
            for each in extra_requirements("apache-airflow", extra)
        ),
        *(each for extra in ("postgres", "redis") for each in extra_requirements("feast", extra)),
    ]
    assert len(named) > 8
    for requirement in named:
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def extra_requirements(name: str, extra: str) -> list[Requirement]:
    requirements = [Requirement(line) for line in distribution(name).requires or []]
    return [
        each
        for each in requirements
        if each.marker
        and each.marker.evaluate({"extra": extra})
        and not each.marker.evaluate({"extra": ""})
    ]
