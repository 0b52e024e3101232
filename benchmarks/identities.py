"""Linked histories of two channels against either channel alone.

The shop is the simulator's: users with latent interests who buy again. Each session is in the web
shop or at the till, half each. Both channels number their customers and products from 1, in orders
of their own, so equal ids are other people. Three homes: the web shop's files, the till's files,
and both with the tables `user_identities` and `item_identities`. `penchant build` makes the marts
of each; `item_cf` is fitted and tuned on each in the same way, and ranks the whole catalogue for
the purchases of the last two weeks in both channels. The gain is paired, person by person.
"""

import csv
import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from benchmarks.stages import run_stage
from penchant.artifacts import Snapshot
from penchant.errors import PenchantError
from penchant.ingestion.sources.simulator import simulate
from penchant.settings import Settings
from training.data.catalogue import numbered
from training.data.histories import Histories, starts
from training.data.split import Split, Window, split_by_time
from training.evaluation.metrics.full_ranking import evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.families import item_cf
from training.fitting.factory import make_ranker

TITLE = "Identities across channels"
USERS, ITEMS, DAYS, SEED = 500, 240, 120, 11
EPOCH = datetime(1970, 1, 1)
CHANNELS = ("web", "till")
HOMES = {"web": ("web",), "till": ("till",), "both, linked": (*CHANNELS, "links")}
EVENTS = """{source}tables:
  events:
    path: {channel}.csv
    columns:
      {{event_id: line, user_id: customer, session_id: receipt, item_id: product, event_at: at}}
    constants: {{event_type: purchase}}
"""
LINKS = """source: till
tables:
  user_identities: {path: cards.csv, columns: {user_id: card, subject: customer}}
  item_identities: {path: plu.csv, columns: {item_id: plu, subject: product}}
"""


@dataclass(frozen=True)
class Shop:
    """``files``: name -> rows. ``users`` and ``items``: an id of a home -> person, product."""

    files: dict[str, list[tuple[Any, ...]]]
    users: dict[str, dict[str, int]]
    items: dict[str, dict[str, int]]


def measure(settings: Settings) -> dict[str, Any]:
    """Build each home, then fit and evaluate on the purchases of both channels."""
    return isolated("identities:measured").value


def measured() -> dict[str, Any]:
    """``measure``, in this process."""
    shop = make_shop()
    with tempfile.TemporaryDirectory(prefix="penchant-identities-") as scratch:
        splits = {
            home: split_by_time(_built(Path(scratch) / home, shop, home, mappings))
            for home, mappings in HOMES.items()
        }
    wanted = splits["both, linked"].test.targets
    ndcg = {home: _evaluated(split, wanted) for home, split in splits.items()}
    linked_U, alone = ndcg.pop("both, linked"), ndcg
    best = max(alone, key=lambda channel: alone[channel].mean())
    return {
        "people": len(linked_U),
        "purchases": {home: len(split.test.histories.items_N) for home, split in splits.items()},
        "ndcg": {
            home: asdict(bootstrap(values_U, 0))
            for home, values_U in {**alone, "both, linked": linked_U}.items()
        },
        "gain": {
            channel: asdict(bootstrap(linked_U - values_U, 0))
            for channel, values_U in alone.items()
        },
        "better_channel": best,
    }


def page(figures: dict[str, Any]) -> str:
    rows = [
        (
            home,
            f"{figures['purchases'][home]:,}",
            interval(ndcg),
            interval(figures["gain"][home], sign="+") if home in figures["gain"] else "",
        )
        for home, ndcg in figures["ndcg"].items()
    ]
    best = figures["better_channel"]
    return (
        f"{__doc__}\n{USERS} people, {ITEMS} products, {DAYS} days; {figures['people']} people "
        "bought in the last two weeks.\n\n"
        f"{grid(('home', 'purchases before', 'NDCG@10', 'gain of linking'), rows)}\n\n"
        f"The better single channel is {best}.\n"
    )


def make_shop() -> Shop:
    """The simulated purchases, numbered by each channel."""
    generator = random.Random(SEED)
    simulated = simulate(SEED, USERS, ITEMS, DAYS)
    numbers = {
        column: {channel: _numbered(simulated[table], column, generator) for channel in CHANNELS}
        for table, column in (("users", "user_id"), ("items", "item_id"))
    }
    users, items = numbers["user_id"], numbers["item_id"]
    bought = [event for event in simulated["events"] if event["event_type"] == "purchase"]
    sessions = sorted({event["session_id"] for event in bought})
    channel_of = {session: generator.choice(CHANNELS) for session in sessions}
    receipt = {session: number for number, session in enumerate(sessions)}
    files: dict[str, list[tuple[Any, ...]]] = {
        f"{channel}.csv": [("line", "customer", "receipt", "product", "at")] for channel in CHANNELS
    }
    for event in bought:
        channel = channel_of[event["session_id"]]
        rows = files[f"{channel}.csv"]
        user, item = users[channel][event["user_id"]], items[channel][event["item_id"]]
        rows.append((len(rows), user, receipt[event["session_id"]], item, event["event_at"]))
    pairs = (("cards.csv", "card", "customer", users), ("plu.csv", "plu", "product", items))
    for file, id_, subject, numbered_by in pairs:
        web, till = numbered_by["web"], numbered_by["till"]
        files[file] = [(id_, subject), *((till[one], web[one]) for one in web)]
    return Shop(files, _truth(users), _truth(items))


def _numbered(
    rows: Sequence[dict[str, Any]], column: str, generator: random.Random
) -> dict[str, int]:
    """A channel's numbers, from 1, in an order of its own."""
    ids = sorted(row[column] for row in rows)
    generator.shuffle(ids)
    return {each: number for number, each in enumerate(ids, 1)}


def _truth(numbers: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Home -> its id -> place of the person or product. The home of both has the web's ids."""
    place = {each: number for number, each in enumerate(sorted(numbers["web"]))}
    web = {str(number): place[each] for each, number in numbers["web"].items()}
    till = {f"till:{number}": place[each] for each, number in numbers["till"].items()}
    return {"web": web, "till": till, "both, linked": web}


def _built(folder: Path, shop: Shop, home: str, mappings: tuple[str, ...]) -> Histories:
    """The purchases in the marts of a home, by person and product."""
    folder.mkdir(parents=True)
    for name, rows in shop.files.items():
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    for channel in CHANNELS:
        source = "" if channel == "web" else f"source: {channel}\n"
        text = EVENTS.format(source=source, channel=channel)
        (folder / f"{channel}.yml").write_text(text)
    (folder / "links.yml").write_text(LINKS)
    environment = {
        **os.environ,
        "PENCHANT_HOME": str(folder / "home"),
        "PENCHANT_SOURCE": "files",
        "PENCHANT_PSEUDONYMS": "false",
    }
    commands = [("ingest", "--mapping", str(folder / f"{name}.yml")) for name in mappings]
    for command in (*commands, ("build",)):
        stage, result = run_stage(command, environment)
        if stage.failed:
            raise PenchantError(f"{home}: {' '.join(command)}: {stage.failed}", "run it by hand")
    settings = Settings(_env_file=None, home=folder / "home")
    snapshot = Snapshot.open(settings, result["snapshot_id"])
    found = duckdb.execute(
        "SELECT user_id, item_id, epoch(event_at)::BIGINT FROM read_parquet(?) ORDER BY event_at",
        [str(snapshot.mart("events"))],
    ).fetchall()
    user_N = np.array([shop.users[home][user] for user, _, _ in found])
    item_N = np.array([shop.items[home][item] for _, item, _ in found])
    time_N = np.array([time for _, _, time in found])
    order_N = np.lexsort((time_N, user_N))
    return Histories(
        np.arange(USERS),
        starts(np.bincount(user_N, minlength=USERS)),
        item_N[order_N].astype(np.int32),
        time_N[order_N],
        np.ones(len(order_N), np.float32),
        ITEMS,
        int((snapshot.as_of - EPOCH).total_seconds()),
    )


def _evaluated(split: Split, wanted: Histories) -> np.ndarray:
    """NDCG@10 of each person with a purchase in both channels' test window."""
    with training_context(split.validation, numbered(ITEMS)) as context:
        model = make_ranker("item_cf", item_cf.Config())
        model.fit(split, context)
    model.observe(split.test.histories)
    window = Window(split.test.histories, wanted).evaluated()
    return evaluate_window(model.scores, window, ("all",))["all"].values["ndcg@10"]
