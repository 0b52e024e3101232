"""requirements.lock is whole: pip installs it without resolving, so it must name everything."""

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
BROUGHT_OTHERWISE = re.compile(r"nvidia-|cuda-|triton$|setuptools$")
"""By torch's own wheel, which is resolved; setuptools by every venv of Python 3.11."""


def required(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """Names of all that ``name`` needs, and what that needs, the extras asked for included."""
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
        if not any(applies) or BROUGHT_OTHERWISE.match(child):
            continue
        needed.add(child)
        if child in LOCKED:
            needed |= required(child, frozenset(requirement.extras), seen)
    return needed


def test_the_lock_names_all_that_is_needed() -> None:
    needed = required("penchant", frozenset({"dev"}), set())
    assert len(needed) > 100
    assert needed - LOCKED == set()
