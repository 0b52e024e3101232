"""Which files of a home are encrypted, how, and how many of them are."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from penchant.encryption.encrypted_file import data_key_of, encrypt_in_place
from penchant.encryption.store import alone, data_key_of_store, encrypt_store
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX

TABLES = (".parquet", ".arrow", ".npy")
WEIGHTS = (".safetensors", ".onnx", "ranking_model.txt")
RELEASED = (*TABLES, ".usearch", *WEIGHTS)
"""Of a release, beside its store, which is encrypted as it is written."""
ONLINE_STORE, AD_COUNTS, VAULT = "online.db", "shown.db", "vault.db"
WRITTEN_BY_SEVERAL = (AD_COUNTS, VAULT)
STORES = (ONLINE_STORE, *WRITTEN_BY_SEVERAL)
PLACES = {
    "landing": TABLES,
    "snapshots": TABLES,
    "online": (ONLINE_STORE,),
    "runs": (".parquet", ".npy", *WEIGHTS),
    "releases": (*RELEASED, ONLINE_STORE),
    "policies": WEIGHTS,
    "mlflow": WEIGHTS,
    "federated": (".npz",),
    "insights": (".parquet", ".npy"),
    "ads": (".parquet", AD_COUNTS),
    "warehouse": (".duckdb",),
    "privacy": (VAULT,),
}
"""Place -> endings of its encrypted files. Quarantined files are encrypted too, and the feedback
and audit logs, line by line."""
FEAST_FILES = ("feature_store.yaml", "registry.db", "registry.pb")
PLAIN = {
    "airflow/*": "Airflow writes its logs; Penchant logs no ids there",
    "by_hand/*": "dbt and editors open its database and marts",
    "federated/*": "logs of Flower and figures, without ids",
    "mlflow/*": "MLflow opens its database by Python's SQLite; it has figures, without ids",
    "postgres/*": "Postgres has no encryption of its own; it holds Airflow's metadata",
    "privacy/*.json": "requests and receipts name people by pseudonym, and are signed or sealed",
    "site/*": "pages for browsers; example users have pseudonyms",
}
"""Pattern of plain files -> why: an encrypted home relies on its volume for these."""
WITHOUT_PEOPLE = (
    # pointers and locks
    *("*.lock", "*/CURRENT", "feedback/*/last", "insights/[A-Z]*", "pins/*", "pruning/*"),
    "releases/FENCING",
    # records of what was made
    *("landing/*/batch.json", "quarantine/*/batch.json", "quarantine/*/reason.json"),
    *(f"{place}/*.json" for place in ("snapshots", "runs", "releases", "policies", "ads")),
    *("insights/*.json", "run_ids/*.json", "experiments/*.json", "simulation/*.json"),
    # definitions of features and campaigns, and dbt's SQL and logs
    *(f"{place}/*/{name}" for place in ("online", "releases") for name in FEAST_FILES),
    *("campaigns/*", "online/*/features.json", "warehouse/dbt_project.*", "warehouse/logs/*"),
    "warehouse/target/*",
    # the platform itself: states and logs of services, alerts, hashes of tokens, public data sets
    *("alerts/*", "downloads/*", "monitoring/*", "platform/*", "reconciliation/*"),
    *("token", "tokens.json"),
)
"""Patterns of plain files that say nothing of people."""
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
        elif file.name.endswith(PLACES[place]) and not (_is_store(file) and _is_empty(file)):
            yield file


def encrypt_file(file: Path) -> bool:
    """Encrypt one of these files with the newest data key; False if it is."""
    if file.name not in WRITTEN_BY_SEVERAL:
        return encrypt_store(file) if _is_store(file) else encrypt_in_place(file)
    with alone(file):
        return encrypt_store(file)


def data_keys_in_use(settings: Settings) -> Counter[int | None]:
    """Number of files by the data key that they were encrypted with; None for plain ones."""
    found: Counter[int | None] = Counter()
    for place in (*PLACES, "quarantine"):
        for file in files_to_encrypt(settings, place):
            try:
                found[data_key_of_store(file) if _is_store(file) else data_key_of(file)] += 1
            except FileNotFoundError:
                continue  # removed meanwhile
    return found


def _is_store(file: Path) -> bool:
    return file.name in STORES


def _is_empty(file: Path) -> bool:
    """Whether a store was opened but not written yet; also one that was removed meanwhile."""
    try:
        return not file.stat().st_size
    except FileNotFoundError:
        return True


def _is_staged(path: Path) -> bool:
    """Whether a file is being written; its writer encrypts it."""
    return any(part.startswith((STAGING_PREFIX, ".workspace")) for part in path.parts)
