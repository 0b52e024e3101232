"""Where Data Docs go: one folder a snapshot under ``site/data_docs``, and a page that lists them.

GX rebuilds the whole of a growing site at every run. A folder a snapshot, made new and moved into
place, costs the same at the hundredth check as at the first, and only the latest few are kept.
"""

import html
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penchant.storage import STAGING_PREFIX, atomic_directory, write_atomic

KEPT = 10  # snapshots whose Data Docs stay, 4 MB each

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Penchant: data quality</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem}}</style>
<h1>Data quality</h1>
<p>What Great Expectations found in each snapshot, the latest checked first.</p>
<ul>
{links}
</ul>
</html>
"""


@contextmanager
def replaced_page(site: Path, snapshot_id: str) -> Iterator[Path]:
    """Yield an empty folder; on success it becomes the snapshot's page and the list names it."""
    with atomic_directory(site / snapshot_id) as folder:
        yield folder
        shutil.rmtree(site / snapshot_id, ignore_errors=True)
    latest_first = sorted(_pages(site), key=lambda page: page.stat().st_mtime_ns, reverse=True)
    for old in latest_first[KEPT:]:
        shutil.rmtree(old)
    links = "\n".join(_link(page.name) for page in latest_first[:KEPT])
    write_atomic(site / "index.html", PAGE.format(links=links))


def _pages(site: Path) -> list[Path]:
    return [
        path
        for path in site.iterdir()
        if path.is_dir() and not path.name.startswith(STAGING_PREFIX)
    ]


def _link(snapshot_id: str) -> str:
    name = html.escape(snapshot_id)
    return f'<li><a href="{name}/index.html">{name}</a></li>'
