"""``penchant trace``: what a release was made of, down to the files that landed."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from penchant.artifacts import ModelSelection, ReleaseManifest, Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings


@dataclass(frozen=True)
class Trace:
    """``runs``: role -> run id; ``compared``: run ids of the selection; ``batches``: name of each
    landed batch -> name of its file, None for a batch that is gone."""

    release_id: str
    snapshot_id: str
    selection_id: str
    runs: dict[str, str]
    compared: tuple[str, ...]
    batches: dict[str, str | None]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def render(self) -> str:
        lines = [
            f"release   {self.release_id}",
            f"snapshot  {self.snapshot_id}",
            f"selection {self.selection_id}, among {len(self.compared)} runs",
            *(f"run       {run} ({role})" for role, run in self.runs.items()),
            *(f"batch     {name} ({file or 'gone'})" for name, file in self.batches.items()),
        ]
        return "\n".join(lines)


def trace(settings: Settings, release_id: str | None) -> Trace:
    """Trace a release, by default the live one. Raises UsageError if it isn't on disk."""
    release_id = release_id or settings.live_release.current()
    if release_id is None:
        raise UsageError("no release is live yet", "run `penchant publish` first")
    path = settings.releases / release_id / "release.json"
    if not path.is_file():
        known = sorted(each.parent.name for each in settings.releases.glob("r-*/release.json"))
        raise UsageError(
            f"release {release_id} is not in {settings.releases}",
            f"use one of {', '.join(known)}" if known else "run `penchant publish` first",
        )
    manifest = ReleaseManifest.read(path)
    snapshot = Snapshot.open(settings, manifest.snapshot_id)
    roles = {"ranker": manifest.ranker, "retriever": manifest.retriever, "prior": manifest.prior}
    selection = ModelSelection.path(settings, snapshot.id)
    rows = ModelSelection.read(selection).leaderboard if selection.exists() else ()
    return Trace(
        manifest.id,
        snapshot.id,
        manifest.selection_id,
        {role: run.run_id for role, run in roles.items() if run},
        tuple(row.run_id for row in rows),
        {name: _file_of(settings, name) for name in snapshot.description.landed},
    )


def _file_of(settings: Settings, batch: str) -> str | None:
    folder = batch.partition(" without ")[0]
    path = settings.landing / folder / "batch.json"
    return str(json.loads(path.read_text())["original_name"]) if path.exists() else None
