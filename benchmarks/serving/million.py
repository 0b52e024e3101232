"""A synthetic catalogue of 1,000,000 items through publish and the server."""

from typing import Any

from benchmarks.serving import scale
from penchant.settings import Settings

TITLE = "1,000,000 items"


def measure(settings: Settings) -> dict[str, Any]:
    return scale.measure(1_000_000)


def page(figures: dict[str, Any]) -> str:
    return scale.page(figures)
