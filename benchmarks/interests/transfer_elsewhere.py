"""Transfer where no department is the target: later months of one shop, and another shop.

In Online Retail the trunk is trained on the months before September, and moved to what was sold
from then on, of which little is known yet: users and most items are the same. Amazon's Beauty
and Sports share neither, so that all that can move is the trunk's encoder.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import torch

from benchmarks.interests.transfer import NAMES, WAYS, lines, shown
from benchmarks.isolated import apart
from penchant.errors import UsageError
from penchant.ingestion.sources.online_retail import FILES
from penchant.settings import Settings
from training.commands.published_tables import Table
from training.data import catalogue
from training.data.histories import DAY, Histories, epoch, starts
from training.data.split import Split, Window, split_by_time
from training.evaluation.metrics.intervals import Interval, bootstrap
from training.families.transfer import Config
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.layers.sequences.next_item import NextItem
from training.layers.sequences.windows import WindowsConfig
from training.layers.transfer.adaptation import FULL, adapt, closed_form_start
from training.layers.transfer.adapters import parameter_count
from training.layers.transfer.guard import ADOPTED, SCRATCH, TRANSFER, decide
from training.layers.transfer.moving import train_methods
from training.layers.transfer.target import Target, thinned, tuning_and_guard_halves

TITLE = "Transfer to later months, and to another shop"
SHARES = (0.01, 0.05, 0.10, 0.25, 1.0)
MONTHS_FROM = datetime(2011, 9, 1)
WINDOW_DAYS = 28
MONTHS, PAIRS = "months of Online Retail", (("beauty", "sports"), ("sports", "beauty"))
PAIR_SHARES = (0.05, 0.25, 1.0)  # a point takes a minute
MOST_USERS = 2000  # of a window of another shop: a half to tune on, a half for the guard


@dataclass(frozen=True)
class Ground:
    """``target``: learned from a share of it, with the windows to guard and to test by."""

    trunk: Split
    items: pa.Table
    target: Callable[[float], tuple[Target, Window, Window]]
    config: Config
    population: str
    shares: tuple[float, ...] = SHARES


def measure(settings: Settings) -> dict[str, Any]:
    """Raises UsageError where neither of both data sets is there."""
    missing, found = {}, {}
    if settings.source_path is None or not any(settings.source_path.glob(FILES)):
        missing[MONTHS] = "PENCHANT_SOURCE_PATH names no folder of Online Retail's daily files"
    else:
        done = apart("transfer_elsewhere:months", folder=str(settings.source_path))
        found[MONTHS] = done.value | {"peak_mb": done.peak_mb, "seconds": done.seconds}
    for source, target in PAIRS:
        name = f"{source.title()} to {target.title()}"
        if settings.published_data is None:
            missing[name] = "PENCHANT_PUBLISHED_DATA names no folder of the S3-Rec files"
        else:
            done = apart(
                "transfer_elsewhere:other_shop",
                folder=str(settings.published_data),
                source=source,
                target=target,
            )
            found[name] = done.value | {"peak_mb": done.peak_mb, "seconds": done.seconds}
    if not found:
        raise UsageError("; ".join(missing.values()), "set one of both, and measure again")
    return {"found": found, "missing": missing}


def months(folder: str) -> dict[str, Any]:
    return _measured(of_months(Path(folder)))


def other_shop(folder: str, source: str, target: str) -> dict[str, Any]:
    return _measured(of_shops(Table(Path(folder), source), Table(Path(folder), target)))


def _measured(ground: Ground, seed: int = 0) -> dict[str, Any]:
    """The trunk once, then each way to the target by each share of it."""
    config = ground.config
    with TemporaryDirectory() as folder:
        context = TrainingContext(
            ground.trunk.validation,
            ground.items,
            torch.device("cpu"),
            seed,
            Budget(3600, 10**5),
            Path(folder),
            population=ground.population,
        )
        trunk = config.model(config.learning)
        trunk.fit(ground.trunk, context)
        points = [_point(trunk, ground, share, context) for share in ground.shares]
        return {"trunk": parameter_count(trunk.network.encoder), "points": points}


def _point(
    trunk: NextItem, ground: Ground, share: float, context: TrainingContext
) -> dict[str, Any]:
    there = replace(context, checkpoints=context.checkpoints / f"{share}")
    target, guarding, test = ground.target(share)
    config = ground.config
    found = train_methods(trunk, config.model(config.scratch), target, config.moving, there)
    start = closed_form_start(trunk, target, config.moving, there)
    beside = replace(there, checkpoints=there.checkpoints / FULL)
    full, _ = adapt(trunk, target, start, FULL, config.moving, beside)
    scorers = found.scorers()
    tuning, guards = (
        {name: target.values(score, window) for name, score in scorers.items()}
        for window in (target.window, guarding)
    )
    verdict = decide("all of it", tuning, guards, context.seed)
    values = {
        way: target.values(score, test) for way, score in {**scorers, FULL: full.scores}.items()
    }
    print(share, {way: round(float(each.mean()), 4) for way, each in values.items()}, flush=True)
    return {
        "share": share,
        "events": len(target.wanted.items_N),
        "adapters": found.moved.adapter_parameters,
        "moving_steps": found.tuned["moving_steps"],
        "verdict": asdict(verdict),
        "users": len(values[TRANSFER]),
        "ndcg": {way: asdict(bootstrap(each, context.seed)) for way, each in values.items()},
        "over_scratch": asdict(bootstrap(values[TRANSFER] - values[SCRATCH], context.seed)),
        "of_full": float(values[TRANSFER].mean() / values[FULL].mean()),
    }


def of_months(folder: Path) -> Ground:
    """The trunk knows the months before MONTHS_FROM; its last weeks tell when to stop."""
    items, histories = retail(folder)
    split, since = split_by_time(histories, WINDOW_DAYS), epoch(MONTHS_FROM)
    before = split.train.before(since)
    learned = before.before(since - WINDOW_DAYS * DAY)
    window = Window(learned, before.between(since - WINDOW_DAYS * DAY, since))
    items_J = np.unique(split.train.between(since, split.train.end).items_N).astype(np.int64)

    def target(share: float) -> tuple[Target, Window, Window]:
        keep = thinned(items_J, share, 0, since)
        train = keep(split.train)
        known = Window(keep(split.validation.histories), split.validation.targets)
        tuning, guarding = tuning_and_guard_halves(known, items_J)
        return (
            Target(
                items_J,
                train.only(train.times_N < since),
                train.only(train.times_N >= since),
                train,
                tuning,
                catalogue.tags(items)[items_J],
            ),
            guarding,
            Window(keep(split.test.histories), split.test.targets),
        )

    return Ground(Split(learned, window, window), items, target, Config(), "all")


def retail(folder: Path) -> tuple[pa.Table, Histories]:
    """What known customers bought, an item of an invoice once; returns are left out."""
    rows = duckdb.execute(
        """
        SELECT DISTINCT CustomerID::BIGINT, InvoiceDate::TIMESTAMP, StockCode
        FROM read_csv($files, all_varchar = true)
        WHERE CustomerID IS NOT NULL AND Quantity::BIGINT > 0 AND UnitPrice::DOUBLE > 0
        ORDER BY ALL
        """,
        {"files": str(folder / FILES)},
    ).fetchnumpy()
    customers_N, times_N, codes_N = rows.values()
    codes, items_N = np.unique(codes_N.astype(str), return_inverse=True)
    lengths_U = np.unique(customers_N, return_counts=True)[1]
    seconds_N = times_N.astype("datetime64[s]").astype(np.int64)
    histories = Histories(
        np.arange(len(lengths_U)),
        starts(lengths_U),
        items_N.astype(np.int32),
        seconds_N,
        np.ones(len(items_N), np.float32),
        len(codes),
        int(seconds_N.max()) + 1,
    )
    return pa.table({"item_id": codes}), histories


def of_shops(source: Table, target: Table) -> Ground:
    """One catalogue of both shops' items, the source's first; nobody is in both."""
    first, second = source.split(), target.split()
    known = first.train.item_count
    count = known + second.train.item_count
    items_J = known + np.arange(second.train.item_count)
    tags_JT = catalogue.tags(target.items(second.train.item_count))

    def of_source(histories: Histories) -> Histories:
        return replace(histories, item_count=count)

    def of_target(histories: Histories) -> Histories:
        shifted_N = (histories.items_N + known).astype(np.int32)
        return replace(histories, items_N=shifted_N, item_count=count)

    trained = sampled(first.validation, MOST_USERS // 2, of_source)
    validation, test = (
        sampled(window, MOST_USERS, of_target) for window in (second.validation, second.test)
    )
    whole = of_target(second.train)

    def part(share: float) -> tuple[Target, Window, Window]:
        keep = thinned(items_J, share, 0)
        train = keep(whole)
        tuning, guarding = tuning_and_guard_halves(
            Window(keep(validation.histories), validation.targets), items_J
        )
        nothing = train.only(np.zeros(len(train.items_N), bool))
        return (
            Target(items_J, nothing, train, train, tuning, tags_JT, "new"),
            guarding,
            Window(keep(test.histories), test.targets),
        )

    return Ground(
        Split(of_source(first.train), trained, trained),
        catalogue.numbered(count),
        part,
        sequences_config(),
        "new",
        PAIR_SHARES,
    )


def sampled(window: Window, most: int, moved: Callable[[Histories], Histories]) -> Window:
    """So many of a window's users, each history as ``moved`` gives it."""
    rows = np.random.default_rng(0).permutation(len(window.histories))[:most]
    some = window.take(np.sort(rows))
    return Window(moved(some.histories), moved(some.targets))


def sequences_config() -> Config:
    """Of histories without times, nine events long: a day is a step, as in the published tables."""
    config = Config()
    learning = replace(
        config.learning,
        windows=WindowsConfig(length=50, events_a_batch=1024, horizon_days=1),
        min_events=1,
        temperature=0.07,
        trainer=replace(config.learning.trainer, steps=500, validate_every=250),
    )
    scratch = replace(learning, trainer=replace(learning.trainer, steps=600, validate_every=150))
    few = replace(config.moving, ridges=(1.0, 10.0, 100.0))
    return replace(config, learning=learning, scratch=scratch, moving=few)


def page(figures: dict[str, Any]) -> str:
    parts = [INTRODUCTION]
    for name, found in figures["found"].items():
        parts += [_told(name, found), lines([HEAD, ["---"] * len(HEAD), *_rows(found)])]
    parts += [f"Not measured: {name}: {why}." for name, why in figures["missing"].items()]
    return "\n\n".join(parts)


INTRODUCTION = f"""In Online Retail the trunk is trained on the months before {MONTHS_FROM:%B %Y}
and moved to all that was sold in the six weeks from then on; users and most items are the same.
Beauty and Sports share neither users nor items, so that all that moves between them is the
trunk's encoder, and the target's items start from the singular vectors of what is known there.
NDCG@10 of the target's items among themselves, for who went to it in the test window of
{WINDOW_DAYS} days, and for {MOST_USERS:,} of the other shop's users, whose last item is asked,
what they had left out. One seed."""

HEAD = [
    "share",
    "events",
    *(NAMES[way] for way in WAYS),
    "adapters above from scratch",
    "of full fine-tuning's",
    "guard",
]


def _told(name: str, found: dict[str, Any]) -> str:
    adapters, trunk = found["points"][0]["adapters"], found["trunk"]
    return (
        f"### {name[0].upper()}{name[1:]}\n\nAdapters have {adapters:,} parameters, "
        f"{adapters / trunk:.1%} of the trunk's {trunk:,}; {found['points'][0]['users']:,} "
        f"users are evaluated; {found['seconds']:,.0f} s and {found['peak_mb']:,.0f} MB in all."
    )


def _rows(found: dict[str, Any]) -> list[list[str]]:
    rows = []
    for point in found["points"]:
        over = Interval(**point["over_scratch"])
        verdict = point["verdict"]
        guard = "adopted" if verdict["status"] == ADOPTED else f"rejected: {verdict['served']}"
        rows.append(
            [
                f"{point['share']:.0%}",
                f"{point['events']:,}",
                *(shown(point["ndcg"][way]) for way in WAYS),
                f"{over.mean:+.4f} ({over.low:+.4f} to {over.high:+.4f})",
                f"{point['of_full']:.2f}",
                guard,
            ]
        )
    return rows
