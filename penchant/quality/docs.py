"""Pages under ``site/data_docs``: a list of snapshots, a summary of each, and its GX Data Docs.

GX rebuilds its whole site at each run. A new folder per snapshot costs the same at the hundredth
check as at the first. GX's index needs scripts from the web and is blank without them; the summary
here needs none and links to GX's page of each mart.
"""

import html
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penchant.artifacts import CheckResults, MartChecks
from penchant.storage import STAGING_PREFIX, atomic_directory, write_atomic

GX = "gx"  # folder of GX's Data Docs in a snapshot's page
KEPT = 10  # snapshots with a page, 4 MB each

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: 1px solid #ddd; padding: .3rem; text-align: left; vertical-align: top }}
.passed {{ color: #1a7f37 }} .warning {{ color: #9a6700 }} .critical {{ color: #cf222e }}
code {{ font-size: 85%; overflow-wrap: anywhere }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


@contextmanager
def replaced_page(site: Path, snapshot_id: str) -> Iterator[Path]:
    """Yield an empty folder that replaces the snapshot's page on success."""
    with atomic_directory(site / snapshot_id) as folder:
        yield folder
        shutil.rmtree(site / snapshot_id, ignore_errors=True)


def write_summary(folder: Path, results: CheckResults) -> None:
    """``index.html`` of a snapshot's page, from its check results."""
    rows = [
        f"<tr><td>{_mart_link(folder, name)}<td>{mart.expectations}<td>{_failures(mart)}"
        for name, mart in results.marts.items()
    ]
    body = (
        f"<p>{_outcome(results)}; "
        f"compared with {results.compared_with or 'no earlier snapshot'}. {_validated(folder)}</p>"
        f"<table><tr><th>Mart<th>Expectations<th>Failures{''.join(rows)}</table>"
    )
    _write(folder / "index.html", f"Data quality of {results.snapshot_id}", body)


def write_list(site: Path, all_results: Sequence[CheckResults]) -> None:
    """``index.html`` of all pages, the latest results first; removes pages beyond ``KEPT``."""
    kept = [each for each in all_results if (site / each.snapshot_id).is_dir()][:KEPT]
    names = {each.snapshot_id for each in kept}
    for page in site.iterdir():
        if page.is_dir() and page.name not in names and not page.name.startswith(STAGING_PREFIX):
            shutil.rmtree(page)
    rows = [
        f"<tr><td><a href='{each.snapshot_id}/index.html'>{each.snapshot_id}</a>"
        f"<td>{_outcome(each)}"
        for each in kept
    ]
    _write(site / "index.html", "Data quality", f"<table>{''.join(rows)}</table>")


def _outcome(results: CheckResults) -> str:
    kind, word = ("passed", "passed") if results.passed else ("critical", "rejected")
    return f"<b class='{kind}'>{word}</b>: {results.statistics.in_words()}"


def _validated(folder: Path) -> str:
    if (folder / GX).is_dir():
        return f"<a href='{GX}/index.html'>Great Expectations' own index</a>"
    return "Only the rows that are not in that snapshot were validated."


def _mart_link(folder: Path, mart: str) -> str:
    """A link to GX's page of the mart, or its name if GX has none."""
    page = next((folder / GX / "validations" / mart).rglob("*.html"), None)
    name = html.escape(mart)
    return f"<a href='{page.relative_to(folder)}'>{name}</a>" if page else name


def _failures(mart: MartChecks) -> str:
    return "<br>".join(map(_failure, mart.failed)) or "<span class='passed'>none</span>"


def _failure(failed: Mapping[str, Any]) -> str:
    severity, found = failed["severity"], failed["unexpected_count"]
    evidence = failed["sample"] if failed["sample"] else failed["observed"]
    return (
        f"<b class='{severity}'>{severity}</b> {html.escape(failed['rule'])}"
        f"{f': {found} unexpected' if found is not None else ''}"
        f"<br><code>{html.escape(str(evidence))}</code>"
    )


def _write(path: Path, title: str, body: str) -> None:
    write_atomic(path, PAGE.format(title=html.escape(title), body=body))
