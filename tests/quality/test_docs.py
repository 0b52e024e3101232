"""The pages of the latest snapshots stay, and are listed."""

from pathlib import Path

from penchant.quality.docs import KEPT, replaced_page


def test_old_pages_go_and_new_ones_are_listed(tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        with replaced_page(tmp_path, f"s-{number}") as folder:
            (folder / "index.html").write_text("page")
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == KEPT
    assert f"s-{KEPT + 1}/index.html" in (tmp_path / "index.html").read_text()
