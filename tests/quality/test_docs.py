"""Pages of checked snapshots: a list, and summaries without scripts."""

from pathlib import Path

from penchant.artifacts import CheckResults
from penchant.quality.docs import GX, KEPT, replaced_page, write_list, write_summary


def results(snapshot_id: str) -> CheckResults:
    failed = {
        "expectation": "primary_key",
        "column": "event_id",
        "severity": "critical",
        "rule": "(event_id) is unique",
        "observed": 3,
        "unexpected_count": 3,
        "sample": [{"event_id": "<e0>", "copies": 2}],
    }
    content = {
        "snapshot_id": snapshot_id,
        "compared_with": None,
        "passed": False,
        "statistics": {"expectations": 9, "failed_critical": 1, "failed_warning": 0},
        "marts": {"events": {"expectations": 9, "failed": [failed]}},
    }
    return CheckResults.model_validate(content)


def test_summary_shows_failures_and_links_to_each_mart(tmp_path: Path) -> None:
    page = tmp_path / GX / "validations" / "events" / "run" / "time" / "events.html"
    page.parent.mkdir(parents=True)
    page.touch()
    write_summary(tmp_path, results("s-1"))
    written = (tmp_path / "index.html").read_text()
    assert "href='gx/validations/events/run/time/events.html'" in written
    assert "(event_id) is unique: 3 unexpected" in written
    assert "&lt;e0&gt;" in written and "<e0>" not in written


def test_old_pages_are_deleted_and_new_ones_listed(tmp_path: Path) -> None:
    names = [f"s-{number}" for number in range(KEPT + 2)]
    for name in names:
        with replaced_page(tmp_path, name) as folder:
            (folder / "index.html").write_text("page")
    write_list(tmp_path, [results(name) for name in reversed(names)])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == set(names[2:])
    assert f"{names[-1]}/index.html" in (tmp_path / "index.html").read_text()
