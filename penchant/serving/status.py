"""What is live and what it was made of, read from the records of stages; imports no Feast."""

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from penchant.artifacts import ModelSelection, RunRecord, Snapshot
from penchant.artifacts.snapshot import CheckStatistics
from penchant.encryption.home_files import PLACES, PLAIN, data_keys_in_use
from penchant.encryption.keyring import is_encrypted
from penchant.home_key import where_from
from penchant.pseudonyms import Pseudonyms, holds_data
from penchant.releases.release import MANIFEST, Release
from penchant.serving.platform_services import platform_services
from penchant.serving.privacy_status import in_words, privacy_status
from penchant.settings import Settings
from penchant.storage import Pointer
from penchant.vault import Vault

METRIC = "ndcg@10"


def status(settings: Settings) -> dict[str, Any]:
    """The state of the home as JSON values; ``missing`` says which stages have not run.

    ``services``: those of ``make up``. ``user_ids``: what the home holds in place of user ids.
    ``at_rest``: what is encrypted. ``privacy``: what training spent of the privacy budget.
    ``live_release``: its manifest. ``previous_release``: what `rollback` goes back to.
    ``live_snapshot``: id, as_of, rows of each table, check results. ``live_features``: the snapshot
    whose features are online. ``selection``: the model selection of the snapshot that the live
    release serves, else of the live snapshot. ``families``: the runs of that selection or, without
    one, all of that snapshot. Each is None or empty before its stage has run.
    """
    missing: list[str] = []
    snapshot = _live_snapshot(settings, missing)
    features = settings.live_features.current()
    if features is None:
        missing.append("features: run `penchant materialize`")
    release = _live_release(settings, missing)
    served = release or snapshot
    snapshot_id = served["snapshot_id" if release else "id"] if served else None
    selection = _selection(settings, snapshot_id)
    families = _families(settings, snapshot_id, selection)
    if not families:
        missing.append("families: run `penchant train` for each, then `penchant select-models`")
    elif selection is None:
        missing.append("selection: run `penchant select-models`")
    if release and snapshot and release["snapshot_id"] != snapshot["id"]:
        missing.append(
            f"snapshot {snapshot['id']} passed its checks but is not served yet: "
            "train on it, select models and publish"
        )
    services = [service.as_dict() for service in platform_services(settings.home)]
    missing += [
        f"{service['name']} of the platform {service['state']}; its log: {service['log']}"
        for service in services
        if not service["runs"]
    ]
    return {
        "services": services,
        "user_ids": user_ids(settings),
        "at_rest": at_rest(settings),
        "privacy": privacy_status(settings),
        "live_release": release,
        "previous_release": settings.live_release.previous(),
        "live_snapshot": snapshot,
        "live_features": features,
        "selection": selection.as_dict() if selection else None,
        "families": families,
        "missing": missing,
    }


def render(state: dict[str, Any]) -> RenderableType:
    """The answer of ``status`` for a terminal."""
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
    if selection := state["selection"]:
        parts += [Text(f"- {reason}") for reason in selection["reasons"]]
        parts += [
            Text(f"- {family} has no run: {cause}")
            for family, cause in selection["failures"].items()
        ]
    parts.append(Text(f"user ids: {state['user_ids']}"))
    parts.append(Text(f"at rest: {state['at_rest']}"))
    if privacy := state["privacy"]:
        style = "red" if privacy["damage"] else ""
        parts.append(Text(f"differential privacy: {in_words(privacy)}", style=style))
    parts += [Text(f"missing: {each}", style="yellow") for each in state["missing"]]
    return Group(*parts)


def user_ids(settings: Settings) -> str:
    """What the home holds in place of user ids, in words."""
    state = Pseudonyms(settings).state
    if state is None:
        if holds_data(settings):
            return (
                "as the source has them: the home is from before pseudonyms; `penchant "
                "pseudonymize` migrates it"
            )
        return "nothing has landed"
    if state.state == "off":
        return "as the source has them, as PENCHANT_PSEUDONYMS=false asked"
    if state.state == "migrating":
        return "pseudonyms in what has landed; `penchant pseudonymize` again after the next release"
    return "pseudonyms"


def at_rest(settings: Settings) -> str:
    """What the home encrypts, in words."""
    relied = "files are readable by their owner only, and rely on the volume's encryption"
    if is_encrypted(settings):
        return f"{_encrypted(settings)}; other {relied}: {', '.join(_plain_places(settings))}"
    asked = "; `penchant encrypt` encrypts more, as PENCHANT_ENCRYPT asks" * settings.encrypt
    if not Vault(settings).path.exists():
        return f"nothing is encrypted: {relied}{asked}"
    own = settings.privacy / "key"
    kept = "in the home, so that a copy of the home has it too" if own.exists() else "elsewhere"
    return f"the vault is encrypted, its key is {kept}; all other {relied}{asked}"


def _plain_places(settings: Settings) -> list[str]:
    """The places of the home whose files are plain."""
    places = [f"{pattern.partition('/')[0]}/" for pattern in PLAIN]
    return [place for place in places if (settings.home / place).is_dir()]


def _encrypted(settings: Settings) -> str:
    """What an encrypted home encrypts, and whether files are plain that should not be."""
    in_use = data_keys_in_use(settings)
    plain = in_use[None]
    left = f", but {plain:,} are plain: `penchant encrypt` encrypts them" if plain else ""
    return (
        f"{in_use.total() - plain:,} files of {', '.join((*PLACES, 'quarantine'))}, the feedback "
        f"and audit logs are encrypted, with the key of {where_from(settings)}{left}"
    )


def families_table(families: list[dict[str, Any]]) -> Table:
    """A row a family, within 80 columns: quality with its 95 % interval, and what it cost."""
    table = Table(title="families", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("family", no_wrap=True)
    for column in ("live as", f"{METRIC}\nall items", f"{METRIC}\nnew items"):
        table.add_column(column)
    for column in ("seconds", "peak MB"):
        table.add_column(column, justify="right")
    for run in families:
        if not run["metrics"]:  # a family that does not rank
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
    """A metric above its interval, or a dash where it was not measured."""
    if metric is None:
        return "-"
    return f"{metric['mean']:.4f}\n{metric['low']:.3f}-{metric['high']:.3f}"


def _live_release(settings: Settings, missing: list[str]) -> dict[str, Any] | None:
    live = _pointed_at(settings.live_release, MANIFEST, "release", "publish", missing)
    return Release.open(settings, live.name).manifest.as_dict() if live else None


def _live_snapshot(settings: Settings, missing: list[str]) -> dict[str, Any] | None:
    live = _pointed_at(settings.live_snapshot, "snapshot.json", "snapshot", "check", missing)
    if live is None:
        return None
    snapshot = Snapshot.open(settings, live.name)
    described, checks = snapshot.description.as_dict(), snapshot.check_results()
    return {
        **{name: described[name] for name in ("id", "as_of", "sources")},
        "rows": {name: mart["rows"] for name, mart in described["marts"].items()},
        "checks": checks.as_dict() if checks else None,
    }


def _pointed_at(
    pointer: Pointer, file: str, noun: str, subcommand: str, missing: list[str]
) -> Path | None:
    """The directory that a pointer names if it has ``file``; else appends to ``missing``."""
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


def _selection(settings: Settings, snapshot_id: str | None) -> ModelSelection | None:
    if snapshot_id is None or not ModelSelection.path(settings, snapshot_id).is_file():
        return None
    return ModelSelection.of(settings, snapshot_id)


def _families(
    settings: Settings, snapshot_id: str | None, selection: ModelSelection | None
) -> list[dict[str, Any]]:
    """Runs in the leaderboard's order, or all there are, each with the roles that it serves in."""
    if snapshot_id is None:
        return []
    runs = settings.runs / snapshot_id
    if selection:
        paths = [RunRecord.path(runs / row.run_id) for row in selection.leaderboard]
    else:
        paths = sorted(runs.glob("*/run.json"))
    return [_family(RunRecord.read(path), selection) for path in paths if path.is_file()]


def _family(run: RunRecord, selection: ModelSelection | None) -> dict[str, Any]:
    record = run.as_dict()
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
        **{name: record[name] for name in kept},
        "roles": list(selection.roles_of(run.run_id)) if selection else [],
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
    statistics = CheckStatistics(**checks["statistics"]) if checks else None
    result = statistics.in_words() if statistics else "not checked"
    return f"snapshot {snapshot['id']} as of {snapshot['as_of']}: {result}"


def _rows_table(rows: dict[str, int]) -> Table:
    table = Table(title="tables", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, count in sorted(rows.items()):
        table.add_row(name, f"{count:,}")
    return table
