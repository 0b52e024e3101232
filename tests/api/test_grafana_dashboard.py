"""The Grafana dashboard names metrics that the API exports, with labels that they have."""

import json
import re
from pathlib import Path

from penchant.api.http.metrics import Metrics
from penchant.settings import Settings

DASHBOARD = Path(__file__).resolve().parents[2] / "docker" / "grafana" / "penchant.json"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def exported(settings: Settings) -> set[str]:
    """The names of all samples, also of metrics without one yet."""
    return {
        f"{metric.name}{suffix}"
        for metric in Metrics(settings).collect()
        for suffix in SUFFIXES[metric.type]
    }


def test_every_metric_of_the_dashboard_is_exported(settings: Settings) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    named = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"penchant_\w+", target["expr"])
    }
    assert len(named) > 10
    assert named - exported(settings) == set()


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
