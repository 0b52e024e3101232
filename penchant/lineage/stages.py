"""What the stages read and write, by the records that they leave."""

from penchant.artifacts import ReleaseManifest, Snapshot
from penchant.lineage.events import Data
from penchant.settings import Settings

LEARNED_FROM = ("interactions", "sequences", "items", "users")  # marts of every family


def landed(snapshot: Snapshot) -> list[Data]:
    """The batches of a snapshot, by source and table."""
    found = []
    for name in snapshot.description.landed:
        source, table, digest = name.partition(" without ")[0].split("/")
        found.append(Data(f"landing/{source}/{table}", digest))
    return found


def marts(snapshot: Snapshot, *names: str) -> list[Data]:
    """Some marts of a snapshot, or all."""
    described = snapshot.description.marts
    return [
        Data(f"marts/{name}", snapshot.id, mart.rows)
        for name, mart in sorted(described.items())
        if name in names or not names
    ]


def trained(family: str, run_id: str) -> Data:
    return Data(f"models/{family}", run_id)


def released(settings: Settings, release_id: str) -> tuple[list[Data], list[Data]]:
    """The runs and features of a release; the release."""
    manifest = ReleaseManifest.read(settings.releases / release_id / "release.json")
    runs = {
        each.family: trained(each.family, each.run_id)
        for each in (manifest.ranker, manifest.retriever, manifest.prior)
        if each is not None
    }
    views = marts(Snapshot.open(settings, manifest.snapshot_id), "items", "user_portrait")
    return [*runs.values(), *views], [Data("releases", release_id, sum(manifest.counts.values()))]
