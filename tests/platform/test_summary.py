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


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """A report on 20 families, whose page is not written."""
    users = tuple(user(number) for number in range(3))
    families = {"families": [family(number) for number in range(20)]}
    found = Report(tmp_path / "r.html", "r-1", families, users)  # type: ignore[arg-type]
    monkeypatch.setattr(summary, "reported", lambda _: found)
    return found


def written_by_the_summary(
    settings: Settings, described: Report, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, list[Report]]:
    """The text of the summary, and the pages that were written for it."""
    pages: list[Report] = []

    def report(_: Settings) -> Report:
        pages.append(described)
        return described

    monkeypatch.setattr(summary, "report", report)
    console = Console(file=io.StringIO(), width=100)
    print_summary(settings, console, ["The main job took 300 s.", "train[gan]: over budget"])
    return console.file.getvalue(), pages  # type: ignore[attr-defined]


def test_summary_fits_25_lines(
    settings: Settings, described: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, _ = written_by_the_summary(settings, described, monkeypatch)
    lines = text.splitlines()
    assert len(lines) <= 25
    best = [line.split()[0] for line in lines[1:7]]
    assert best == ["family19", "family18", "family17", "family16", "family15", "family03"]
    assert "release r-1" in text and "item [a]" in text and "train[gan]: over budget" in text


def test_summary_writes_the_page_only_where_it_is_missing(
    settings: Settings, described: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written_by_the_summary(settings, described, monkeypatch)[1] == [described]
    described.path.touch()
    assert written_by_the_summary(settings, described, monkeypatch)[1] == []
