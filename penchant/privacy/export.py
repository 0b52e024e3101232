"""All that is held of a person, as JSON and CSV: the answer to a request for access."""

import csv
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.errors import NothingToDo, UnknownId, UsageError
from penchant.insights.audience.published import published_audiences
from penchant.insights.campaigns.published import published_campaigns
from penchant.insights.retention.published import published_retention
from penchant.insights.voice.published import published_voice
from penchant.manifest import read_marts
from penchant.privacy import stored
from penchant.privacy.known_as import known_as
from penchant.releases.release import (
    BOUGHT_ITEMS,
    RANKED_LISTS,
    RECENT_ITEMS,
    USER_SEGMENTS,
    Release,
)
from penchant.releases.rows import Rows
from penchant.settings import Settings
from penchant.storage import atomic_directory
from penchant.vault import Vault

SERVED = {
    RANKED_LISTS: "the items recommended to the person, best first",
    RECENT_ITEMS: "the latest items, from which recommendations are updated",
    BOUGHT_ITEMS: "the items bought, to leave them out on request",
    USER_SEGMENTS: "the segment, for portraits and reports",
}


@dataclass(frozen=True)
class Held:
    """Rows of one place. ``purpose``: what they are used for."""

    place: str
    purpose: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class ExportReport:
    folder: str
    rows: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        return f"{sum(self.rows.values()):,} rows of {len(self.rows)} places in {self.folder}"


def export(settings: Settings, user_id: str, folder: Path) -> ExportReport:
    """Write ``subject.json`` and a CSV for each place to a new folder.

    ``user_id`` is what the home holds, ``held_as`` in the file: a pseudonym where it has them.

    Raises UsageError where the folder exists or nothing is held of the person.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists", "pass a folder that doesn't exist to --to")
    found = [held for held in everything_held(settings, user_id) if held.rows]
    if not found:
        raise UsageError(
            f"nothing is held of user {user_id!r}", "pass the user_id as the source has it"
        )
    with atomic_directory(folder) as staging:
        content = {
            "user_id": Vault(settings).reveal([user_id]).get(user_id, user_id),
            "held_as": user_id,
            "held": [asdict(held) for held in found],
        }
        (staging / "subject.json").write_text(json.dumps(content, indent=2, default=str) + "\n")
        for held in found:
            _write_csv(staging / f"{held.place.replace('/', '-')}.csv", held.rows)
    return ExportReport(str(folder), {held.place: len(held.rows) for held in found})


def everything_held(settings: Settings, user_id: str) -> Iterator[Held]:
    """What each place holds of the person, empty places too."""
    ids = known_as(settings, [user_id])
    slates = stored.slates_of(settings, ids)
    for table in stored.stored_tables(ids, slates):
        rows = stored.landed_rows(settings, table)
        purpose = "as the source delivered it: the input of all that follows"
        yield Held(table.place, purpose, [] if rows is None else rows.to_pylist())
    for name, logged in stored.logged_rows(settings, ids, slates).items():
        yield Held(f"feedback/{name}", "waits to land: what was shown and done since", logged)
    yield from _insights(settings, user_id)
    if settings.live_snapshot.current():
        yield from _in_marts(Snapshot.live(settings), user_id)
    if release_id := settings.live_release.current():
        yield from _served(Release.open(settings, release_id), user_id)


def _insights(settings: Settings, user_id: str) -> Iterator[Held]:
    """Predictions of the person, and the audiences and campaigns that they are in, if any."""
    with suppress(NothingToDo, UnknownId):
        row = published_retention(settings).of_user(user_id)
        yield Held("insights/retention", "whether to win the person back", [row])
    with suppress(NothingToDo):
        rows = published_audiences(settings).of_user(user_id)
        yield Held("insights/audience", "new items to show the person", rows)
    with suppress(NothingToDo):
        rows = published_voice(settings).of_user(user_id)
        yield Held("insights/voice", "what the person's reviews say", rows)
    for campaign in published_campaigns(settings):
        place = f"insights/campaigns/{campaign.record.name}"
        yield Held(place, "offers to send the person", campaign.of_user(user_id))


def _in_marts(snapshot: Snapshot, user_id: str) -> Iterator[Held]:
    with connect(snapshot.path) as connection:
        for mart in read_marts(snapshot.manifest):
            if any(column.name == "user_id" for column in mart.columns):
                rows = connection.sql(
                    "SELECT * FROM read_parquet(?) WHERE user_id = ?",
                    params=[str(snapshot.mart(mart.name)), user_id],
                ).to_arrow_table()
                yield Held(f"marts/{mart.name}", mart.description, rows.to_pylist())


def _served(release: Release, user_id: str) -> Iterator[Held]:
    purposes = dict(SERVED)
    if release.has_vectors:
        purposes[release.user_vectors] = "the vector that personal recommendations are made from"
    for view, purpose in purposes.items():
        row = Rows.open(release.path, view).row(user_id) if release.has(view) else None
        yield Held(f"releases/{view.name}", purpose, [row] if row else [])


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
