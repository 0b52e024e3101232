"""What is live and what it was made of, read from what stages left on disk; imports no Feast."""

import json
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from penchant.releases.release import DESCRIPTION, Release
from penchant.settings import Settings
from penchant.storage import Pointer

METRIC = "ndcg@10"


def status(settings: Settings) -> dict[str, Any]:
    """The state of the home, whatever has been done so far; what has not is under ``missing``.

    ``live_release``: its release.json; ``previous_release``: what `rollback` goes back to;
    ``live_snapshot``: id, as_of, rows of each table, checkpoint results; ``live_features``: the
    snapshot whose features are online; ``choice``: of the snapshot that the live release serves
    (else of the live one), with its reasons; ``families``: the runs of that choice or, before it,
    all of that snapshot. Where nothing is there yet, each is None or empty.
    """
    missing: list[str] = []
    snapshot = _live_snapshot(settings, missing)
    features = settings.live_features.current()
    if features is None:
        missing.append("features: run `penchant materialize`")
    release = _live_release(settings, missing)
    served = release or snapshot
    snapshot_id = served["snapshot_id" if release else "id"] if served else None
    choice = _choice(settings, snapshot_id)
    families = _families(settings, snapshot_id, choice)
    if not families:
        missing.append("families: run `penchant train` for each, then `penchant choose`")
    elif choice is None:
        missing.append("choice: run `penchant choose`")
    if release and snapshot and release["snapshot_id"] != snapshot["id"]:
        missing.append(
            f"snapshot {snapshot['id']} passed its checks but is not served yet: "
            "train, choose and publish it"
        )
    return {
        "live_release": release,
        "previous_release": settings.live_release.previous(),
        "live_snapshot": snapshot,
        "live_features": features,
        "choice": choice,
        "families": families,
        "missing": missing,
    }


def render(state: dict[str, Any]) -> RenderableType:
    """``status``'s answer for a terminal."""
    release, snapshot = state["live_release"], state["live_snapshot"]
    parts: list[RenderableType] = []
    if release:
        parts.append(Text(_release_line(release), style="bold"))
    if snapshot:
        parts.append(Text(_snapshot_line(snapshot)))
        parts.append(_rows_table(snapshot["rows"]))
    if state["live_features"]:
        parts.append(Text(f"features online: {state['live_features']}"))
    if state["families"]:
        parts.append(families_table(state["families"]))
    if state["choice"]:
        parts += [Text(f"- {reason}") for reason in state["choice"]["reasons"]]
    parts += [Text(f"missing: {each}", style="yellow") for each in state["missing"]]
    return Group(*parts)


def families_table(families: list[dict[str, Any]]) -> Table:
    """A row a family, within 80 columns: quality with its 95 % interval, and what it cost."""
    table = Table(title="families", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("family", no_wrap=True)
    for column in ("live as", f"{METRIC}\nall items", f"{METRIC}\nnew items"):
        table.add_column(column)
    for column in ("seconds", "peak MB"):
        table.add_column(column, justify="right")
    for run in families:
        if not run["metrics"]:  # it does not rank
            continue
        table.add_row(
            run["family"],
            "\n".join(run["roles"]),
            *(_interval(run["metrics"].get(name, {}).get(METRIC)) for name in ("all", "new")),
            f"{run['seconds']:.1f}",
            f"{run['peak_memory_bytes'] / 1e6:,.0f}",
        )
    return table


def _interval(metric: dict[str, float] | None) -> str:
    """A metric over its interval, or a dash where it was not measured."""
    if metric is None:
        return "-"
    return f"{metric['mean']:.4f}\n{metric['low']:.3f}-{metric['high']:.3f}"


def _live_release(settings: Settings, missing: list[str]) -> dict[str, Any] | None:
    live = _pointed_at(settings.live_release, DESCRIPTION, "release", "publish", missing)
    return Release.open(settings, live.name).description if live else None


def _live_snapshot(settings: Settings, missing: list[str]) -> dict[str, Any] | None:
    live = _pointed_at(settings.live_snapshot, "snapshot.json", "snapshot", "check", missing)
    if live is None:
        return None
    described = json.loads((live / "snapshot.json").read_text())
    checks = live / "checks.json"
    return {
        "id": described["id"],
        "as_of": described["as_of"],
        "sources": described["sources"],
        "rows": {name: mart["rows"] for name, mart in described["marts"].items()},
        "checks": json.loads(checks.read_text()) if checks.is_file() else None,
    }


def _pointed_at(
    pointer: Pointer, file: str, noun: str, subcommand: str, missing: list[str]
) -> Path | None:
    """The directory that a pointer names, where it has ``file``; else say what is missing."""
    current = pointer.current()
    if current is None:
        missing.append(f"{noun}: run `penchant {subcommand}`")
        return None
    path = pointer.path.parent / current
    if not (path / file).is_file():
        missing.append(
            f"{noun} {current} is live but not on disk: run `penchant {subcommand}` again"
        )
        return None
    return path


def _choice(settings: Settings, snapshot_id: str | None) -> dict[str, Any] | None:
    if snapshot_id is None:
        return None
    path = settings.runs / snapshot_id / "choice.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _families(
    settings: Settings, snapshot_id: str | None, choice: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Runs in the leaderboard's order, or all there are, each with the roles it was chosen for."""
    if snapshot_id is None:
        return []
    runs = settings.runs / snapshot_id
    if choice:
        paths = [runs / row["run_id"] / "run.json" for row in choice["leaderboard"]]
    else:
        paths = sorted(runs.glob("*/run.json"))
    return [_family(path, choice) for path in paths if path.is_file()]


def _family(path: Path, choice: dict[str, Any] | None) -> dict[str, Any]:
    run = json.loads(path.read_text())
    roles = ("retriever", "ranker", "prior")
    kept = (
        "family",
        "run_id",
        "capabilities",
        "metrics",
        "beyond_accuracy",
        "tasks",
        "headline",
        "users_evaluated",
        "seconds",
        "peak_memory_bytes",
        "parameters",
        "device",
        "fit_seconds",
        "scoring_ms_per_user",
    )
    return {
        **{name: run.get(name) for name in kept},
        "roles": [role for role in roles if choice and choice[role] == run["run_id"]],
    }


def _release_line(release: dict[str, Any]) -> str:
    retriever = release["retriever"]
    counts = ", ".join(f"{rows:,} {view}" for view, rows in sorted(release["counts"].items()))
    return (
        f"release {release['id']} of {release['snapshot_id']}: "
        f"ranker {release['ranker']['family']}, "
        f"retriever {retriever['family'] if retriever else 'none'}; {counts}"
    )


def _snapshot_line(snapshot: dict[str, Any]) -> str:
    checks = snapshot["checks"]
    if checks is None:
        verdict = "not checked"
    else:
        counts = checks["statistics"]
        verdict = (
            f"{counts['expectations']} expectations, {counts['failed_critical']} critical "
            f"failures, {counts['failed_warning']} warnings"
        )
    return f"snapshot {snapshot['id']} as of {snapshot['as_of']}: {verdict}"


def _rows_table(rows: dict[str, int]) -> Table:
    table = Table(title="tables", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, count in sorted(rows.items()):
        table.add_row(name, f"{count:,}")
    return table
