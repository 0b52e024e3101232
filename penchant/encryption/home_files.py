"""Which files of a home are encrypted, and how many of them are."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from penchant.encryption.encrypted_file import data_key_of
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX

TABLES = (".parquet", ".arrow", ".npy")
PLACES = {
    "landing": TABLES,
    "snapshots": TABLES,
    "runs": (".parquet",),
    "releases": TABLES,
    "insights": (".parquet",),
    "ads": (".parquet",),
    "warehouse": (".duckdb",),
}
"""Place -> endings of its encrypted files. Quarantined files are encrypted too, and the feedback
and audit logs, line by line."""
PLAIN = (
    *("ads", "airflow", "by_hand", "federated", "mlflow"),
    *("online", "postgres", "releases", "runs", "site"),
)
"""Places with plain files in an encrypted home; docs/privacy.md says which and why."""
NOT_DELIVERED = ("reason.json", "batch.json")


def files_to_encrypt(settings: Settings, place: str) -> Iterator[Path]:
    """The files of a place that an encrypted home encrypts, encrypted or not."""
    folder = settings.home / place
    for file in sorted(folder.rglob("*")):
        if _is_staged(file.relative_to(folder)) or file.is_symlink() or not file.is_file():
            continue
        if place == "quarantine":
            if file.name not in NOT_DELIVERED:
                yield file
        elif file.name.endswith(PLACES[place]):
            yield file


def data_keys_in_use(settings: Settings) -> Counter[int | None]:
    """Number of files by the data key that they were encrypted with; None for plain ones."""
    found: Counter[int | None] = Counter()
    for place in (*PLACES, "quarantine"):
        for file in files_to_encrypt(settings, place):
            try:
                found[data_key_of(file)] += 1
            except FileNotFoundError:
                continue  # removed meanwhile
    return found


def _is_staged(path: Path) -> bool:
    """Whether a file is being written; its writer encrypts it."""
    return any(part.startswith((STAGING_PREFIX, ".workspace")) for part in path.parts)
