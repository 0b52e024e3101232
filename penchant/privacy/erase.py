"""Erasing people: first what is stored, then, after a release without them, what was derived.

1. ``erase`` registers the request, so that no later file brings the person back and no answer is
   personal, and removes the person's rows from landed batches, the feedback log, quarantine and
   today's ad counts.
2. The main job builds a snapshot of what is left, trains every family on it from nothing (which
   unlearns exactly) and publishes a release.
3. ``finish`` removes everything made from earlier snapshots, searches the whole home for the id,
   and writes a signed receipt.

Both are idempotent and go on where a killed one stopped.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penchant.artifacts import ErasureReceipt, SubjectRequest
from penchant.artifacts.receipt import UnlearnedModel
from penchant.artifacts.unlearning import UnlearnedRun, Unlearning
from penchant.errors import NothingToDo, PenchantError, UsageError
from penchant.identities import linked
from penchant.privacy import stored
from penchant.privacy.derived import (
    folders_of,
    models_of,
    remove_derived,
    remove_mentioning,
    snapshots_on_disk,
    still_live,
)
from penchant.privacy.known_as import known_as
from penchant.privacy.mentions import DISTINCTIVE, files_that_mention
from penchant.privacy.signing import public_key, sign
from penchant.privacy.vectors import files_with, vectors_of
from penchant.releases.release import on_disk
from penchant.settings import Settings
from penchant.storage import held_alone
from penchant.subjects import Subjects
from penchant.vault import Vault

RETRAINED = "trained again: from nothing, on a snapshot without the person"
UNLEARNED = (
    "exactly unlearned: fitted on a snapshot without the person, and run {before} less what the "
    "person contributed is the same model (largest relative difference {difference:.0e})"
)
UNTRAINED = "removed, nothing of it serves; trained again by the next run of DAG train_families"
NEXT = "run the main job (DAG build_snapshot), then `penchant subject finish`"


@dataclass(frozen=True)
class ErasureReport:
    """``removed``: place -> rows or files, of all people together."""

    request_ids: tuple[str, ...]
    removed: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        places = ", ".join(f"{place} {count}" for place, count in sorted(self.removed.items()))
        return f"erasure {', '.join(self.request_ids)}: removed {places or 'nothing'}; next: {NEXT}"


@dataclass(frozen=True)
class FinishReport:
    """The receipts that were written."""

    receipts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        return f"erasures completed; receipts: {', '.join(self.receipts)}"


def erase(
    settings: Settings, user_ids: Sequence[str] = (), now: datetime | None = None
) -> ErasureReport:
    """Remove what is stored of these people, and of all who asked before and still wait.

    Waits for a running build: its snapshot has the people, and is one of those to remove.
    ``now``: naive UTC. Raises UsageError for an id that nothing is stored of, and NothingToDo where
    nobody waits.
    """
    at = now or datetime.now(UTC).replace(tzinfo=None)
    subjects = Subjects(settings)
    user_ids = linked(settings, user_ids)
    known = {each.pseudonym for each in subjects.requests() if each.forgets}
    new = [each for each in user_ids if subjects.pseudonym(each) not in known]
    for user_id in not_stored(settings, new):
        raise UsageError(
            f"nothing is stored of user {user_id!r}",
            "pass the user_id as the source has it; `penchant subject list` lists requests",
        )
    for user_id in user_ids:
        subjects.request("erase", user_id, at)
    waiting = [each for each in subjects.requests() if each.forgets and each.state == "requested"]
    if not waiting:
        raise NothingToDo("no erasure waits", "pass --user to request one")
    with held_alone(settings.privacy):
        people = known_as(settings, [each.user_id for each in waiting if each.user_id])
        with held_alone(settings.warehouse.parent):  # a build that read the rows ends first
            removed = _erase_stored(settings, people)
            affected = snapshots_on_disk(settings)
        for each in waiting:
            _save(settings, each, "cleaned", removed, affected)
    return ErasureReport(tuple(each.id for each in waiting), removed)


def finish(settings: Settings, now: datetime | None = None) -> FinishReport:
    """Complete the erasures whose stored rows are gone, now that a release without them is live.

    Raises NothingToDo where none waits, UsageError while earlier data is live or a stage still
    works with it, and PenchantError for a file that still mentions a person.
    """
    waiting = require_waiting(settings)
    affected = sorted({snapshot for each in waiting for snapshot in each.affected})
    if live := still_live(settings, affected):
        raise UsageError(f"built with the person's data and still live: {', '.join(live)}", NEXT)
    at = now or datetime.now(UTC).replace(tzinfo=None)
    with held_alone(settings.privacy):
        user_ids = known_as(settings, [each.user_id for each in waiting if each.user_id])
        _require_no_copy(settings, affected, user_ids)  # while their vectors are there
        removed = remove_derived(settings, affected)
        removed |= remove_mentioning(settings, user_ids)
        searched = _verify(settings, user_ids)
        receipts = [_complete(settings, each, removed, searched, at) for each in waiting]
    return FinishReport(tuple(map(str, receipts)))


def require_waiting(settings: Settings) -> list[SubjectRequest]:
    """The erasures whose stored rows are gone. Raises NothingToDo where there are none."""
    requests = Subjects(settings).requests()
    waiting = [each for each in requests if each.forgets and each.state == "cleaned"]
    if not waiting:
        raise NothingToDo("no erasure waits to be finished", "`penchant subject erase` begins one")
    return waiting


def not_stored(settings: Settings, user_ids: Sequence[str]) -> list[str]:
    """Those of the people whom no landed batch and no line of the feedback log has."""
    ids_of = {user_id: known_as(settings, [user_id]) for user_id in user_ids}
    held = stored.ids_held(settings, [each for ids in ids_of.values() for each in ids])
    return [user_id for user_id, ids in ids_of.items() if held.isdisjoint(ids)]


def receipt_path(settings: Settings, request_id: str) -> Path:
    return settings.privacy / "receipts" / f"{request_id}.json"


def _erase_stored(settings: Settings, user_ids: Sequence[str]) -> dict[str, int]:
    slates = stored.slates_of(settings, user_ids)
    removed = stored.erase_logged(settings, user_ids, slates)
    for table in stored.stored_tables(user_ids, slates):
        if count := stored.erase_landed(settings, table):
            removed[table.place] = count
    if count := stored.erase_quarantined(settings, user_ids):
        removed["quarantine"] = count
    if count := stored.erase_ad_counts(settings, user_ids):
        removed["ads/shown.db"] = count
    return removed


def _require_no_copy(settings: Settings, affected: Sequence[str], user_ids: Sequence[str]) -> None:
    """Raise PenchantError for a vector of the people anywhere but where it will be removed."""
    leaving = folders_of(settings, affected)
    vectors = vectors_of(leaving, user_ids)
    skip = [*leaving, settings.privacy, settings.home / "postgres"]
    if found := list(files_with(settings.home, vectors, skip)):
        raise PenchantError(
            f"{len(found)} files have a vector of the person, such as {found[0]}",
            "remove or replace the file, then run `penchant subject finish` again",
        )


def _verify(settings: Settings, user_ids: Sequence[str]) -> int:
    """Search the home; return the number of files searched. Raises PenchantError for a finding."""
    skip = [settings.privacy, settings.home / "postgres"]
    found = list(files_that_mention(settings.home, user_ids, skip))
    if found:
        raise PenchantError(
            f"{len(found)} files still mention the person, such as {found[0]}",
            "remove or replace the file, then run `penchant subject finish` again",
        )
    return sum(1 for file in settings.home.rglob("*") if file.is_file())


def _complete(
    settings: Settings,
    request: SubjectRequest,
    removed: dict[str, int],
    searched: int,
    at: datetime,
) -> Path:
    """Forget the id, write the receipt, then complete the request."""
    key, ids = Subjects(settings).key(), known_as(settings, [request.user_id or ""])
    if entries := Vault(settings).forget(ids):
        removed = removed | {"privacy/vault.db": entries}
    snapshot_id = settings.live_snapshot.current()
    receipt = ErasureReceipt(
        request_id=request.id,
        pseudonym=request.pseudonym,
        requested_at=request.requested_at,
        completed_at=at,
        removed=_sum(request.removed, removed),
        snapshot_id=snapshot_id,
        release_id=settings.live_release.current(),
        models=_models(settings, snapshot_id) if snapshot_id else (),
        searched_files=searched,
        limits=_limits(settings, ids),
        public_key=public_key(key),
    )
    path = receipt_path(settings, request.id)
    sign(receipt, key).write(path)
    path.chmod(0o600)
    _save(settings, request.model_copy(update={"user_id": None}), "complete", removed, ())
    return path


def _models(settings: Settings, snapshot_id: str) -> tuple[UnlearnedModel, ...]:
    """What became of each family's model."""
    path, left = Unlearning.path(settings, snapshot_id), _left_service(settings)
    found = Unlearning.read(path) if path.exists() else None
    compared = {each.run_id: each for each in found.runs} if found else {}
    models = [
        UnlearnedModel(family=family, run_id=run_id, how=f"{_how(compared.get(run_id))}; {left}")
        for family, run_id in models_of(settings, snapshot_id)
    ]
    trained = {model.family for model in models}
    return (
        *models,
        *(
            UnlearnedModel(family=family, run_id="", how=UNTRAINED)
            for family in (found.untrained if found else ())
            if family not in trained
        ),
    )


def _how(run: UnlearnedRun | None) -> str:
    if run is None:
        return RETRAINED
    if run.is_exact:
        return UNLEARNED.format(before=run.before, difference=run.difference)
    if run.why_not:
        return f"{RETRAINED}; not compared with its earlier run: {run.why_not}"
    return f"{RETRAINED}; its earlier run less the person is another model"


def _left_service(settings: Settings) -> str:
    """When the last model that had learned from the person left service, in words.

    The releases on disk are those that were made without the person.
    """
    releases = on_disk(settings)
    if not releases:
        return "no release has served"
    first = releases[-1]
    made = f"{first.manifest.created_at:%F %T} UTC"
    return f"release {first.id} of {made} replaced the last model that had learned from them"


def _limits(settings: Settings, ids: Sequence[str]) -> tuple[str, ...]:
    """What the erasure can't reach or the search can't find, in words."""
    limits = [
        "the source's own files, backups and copies outside of the home are not changed",
        "Airflow's metadata holds ids of snapshots and releases, not of people; it is not searched",
    ]
    if any(len(each) < DISTINCTIVE for each in ids):
        limits.append(
            f"the source's id has fewer than {DISTINCTIVE} characters: files other than tables are "
            "searched for it beside the name of a user column only"
        )
    outside = {
        "PENCHANT_TRACKING": settings.tracking,
        "PENCHANT_FEAST_REDIS": settings.feast_redis,
        "PENCHANT_VECTOR_POSTGRES": settings.vector_postgres,
    }
    limits += [
        f"the store of {name} is cleaned with its snapshots and releases, but not searched"
        for name, where in outside.items()
        if where
    ]
    return tuple(limits)


def _save(
    settings: Settings,
    request: SubjectRequest,
    state: str,
    removed: dict[str, int],
    affected: tuple[str, ...],
) -> None:
    request.model_copy(
        update={"state": state, "removed": _sum(request.removed, removed), "affected": affected}
    ).save(settings)


def _sum(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {place: first.get(place, 0) + second.get(place, 0) for place in sorted(first | second)}
