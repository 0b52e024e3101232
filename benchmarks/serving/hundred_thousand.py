"""A synthetic catalogue of 100,000 items through publish and the server: its start above all."""

from typing import Any

from benchmarks.serving import scale
from penchant.settings import Settings

TITLE = "100,000 items"


def measure(settings: Settings) -> dict[str, Any]:
    return scale.measure(100_000)


def page(figures: dict[str, Any]) -> str:
    return scale.page(figures)
