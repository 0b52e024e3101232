"""The end of the demo."""

import io
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from penchant.platform import summary
from penchant.platform.summary import print_summary
from penchant.report.report import Report
from penchant.settings import Settings


def family(number: int) -> dict[str, object]:
    metric = {"mean": number / 100, "low": 0.0, "high": 0.3}
    return {
        "family": f"family{number:02}",
        "roles": ["ranker"] if number == 3 else [],
        "metrics": {"all": {"ndcg@10": metric}},
    }


def user(number: int) -> SimpleNamespace:
    titled = [
        SimpleNamespace(day=date(2017, 1, 1), title=f"item [{n}]", item_id="i") for n in "abc"
    ]
    return SimpleNamespace(user_id=f"u{number}", purchases=titled, recommended=titled[1:])


def test_summary_fits_25_lines(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    users = tuple(user(number) for number in range(3))
    written = Report(Path("/r.html"), "r-1", {"families": [family(n) for n in range(20)]}, users)  # type: ignore[arg-type]
    monkeypatch.setattr(summary, "report", lambda _: written)
    console = Console(file=io.StringIO(), width=100)
    print_summary(settings, console, ["The main job took 300 s.", "train[gan]: over budget"])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = text.splitlines()
    assert len(lines) <= 25
    best = [line.split()[0] for line in lines[1:7]]
    assert best == ["family19", "family18", "family17", "family16", "family15", "family03"]
    assert "release r-1" in text and "item [a]" in text and "train[gan]: over budget" in text
