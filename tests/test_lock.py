"""requirements.lock is complete, because pip installs it without resolving."""

import re
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
LOCKED = {
    canonicalize_name(line.split("==")[0])
    for line in LOCK.read_text().splitlines()
    if line and not line.startswith("#")
}
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
    assert needed - LOCKED == set()
