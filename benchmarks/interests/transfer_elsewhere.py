"""Transfer to later months of one shop, and to another shop.

In Online Retail the trunk is trained on the months before September and moved to what was sold
from then on: users and most items are the same. Amazon's Beauty and Sports share neither, so only
the trunk's encoder can move.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.fitting import training_context
from benchmarks.interests.transfer import METHODS, NAMES, trained
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.errors import UsageError
from penchant.ingestion.sources.online_retail import FILES
from penchant.settings import Settings
from training.commands.published_tables import Table
from training.data import catalogue
from training.data.histories import DAY, Histories, epoch, starts
from training.data.split import Split, Window, split_by_time
from training.evaluation.metrics.intervals import bootstrap
from training.families.transfer import Config
from training.fitting.context import TrainingContext
from training.layers.sequences.next_item import NextItem
from training.layers.sequences.windows import WindowsConfig
from training.layers.transfer.adaptation import FULL
from training.layers.transfer.adapters import parameter_count
from training.layers.transfer.guard import ADOPTED, SCRATCH, TRANSFER, decide
from training.layers.transfer.target import Target, thinned, tuning_and_guard_halves

TITLE = "Transfer to later months, and to another shop"
SHARES = (0.01, 0.05, 0.10, 0.25, 1.0)
MONTHS_FROM = datetime(2011, 9, 1)
WINDOW_DAYS = 28
MONTHS, PAIRS = "months of Online Retail", (("beauty", "sports"), ("sports", "beauty"))
PAIR_SHARES = (0.05, 0.25, 1.0)  # a point takes a minute
MOST_USERS = 2000  # of a window of another shop: half to tune on, half for the guard


@dataclass(frozen=True)
class TransferTask:
    """``target``: by its share, with the windows of the guard and of the test."""

    trunk: Split
    items: pa.Table
    target: Callable[[float], tuple[Target, Window, Window]]
    config: Config
    population: str
    shares: tuple[float, ...] = SHARES


def measure(settings: Settings) -> dict[str, Any]:
    """Raises UsageError where neither data set is configured."""
    missing, found, module = {}, {}, "interests.transfer_elsewhere"
    if settings.source_path is None or not any(settings.source_path.glob(FILES)):
        missing[MONTHS] = "PENCHANT_SOURCE_PATH has no daily files of Online Retail"
    else:
        done = isolated(f"{module}:months", folder=str(settings.source_path))
        found[MONTHS] = done.value | {"peak_mb": done.peak_mb, "seconds": done.seconds}
    for source, target in PAIRS:
        name = f"{source.title()} to {target.title()}"
        if settings.published_data is None:
            missing[name] = "PENCHANT_PUBLISHED_DATA is not set to the S3-Rec files"
        else:
            pair = {"source": source, "target": target}
            done = isolated(f"{module}:other_shop", folder=str(settings.published_data), **pair)
            found[name] = done.value | {"peak_mb": done.peak_mb, "seconds": done.seconds}
    if not found:
        raise UsageError("; ".join(missing.values()), "set one of both, and measure again")
    return {"found": found, "missing": missing}


def months(folder: str) -> dict[str, Any]:
    return _measured(of_months(Path(folder)))


def other_shop(folder: str, source: str, target: str) -> dict[str, Any]:
    return _measured(of_shops(Table(Path(folder), source), Table(Path(folder), target)))


def _measured(task: TransferTask) -> dict[str, Any]:
    """Train the trunk once, then each method on the target by each share of it."""
    window, population = task.trunk.validation, task.population
    with training_context(window, task.items, population=population) as context:
        trunk = task.config.model(task.config.learning)
        trunk.fit(task.trunk, context)
        points = [_point(trunk, task, share, context) for share in task.shares]
        return {"trunk": parameter_count(trunk.network.encoder), "points": points}


def _point(
    trunk: NextItem, task: TransferTask, share: float, context: TrainingContext
) -> dict[str, Any]:
    own = replace(context, checkpoints=context.checkpoints / f"{share}")
    target, guarding, test = task.target(share)
    methods, scorers = trained(trunk, target, task.config, own)
    tuning, guards = (
        {name: target.values(score, window) for name, score in methods.scorers().items()}
        for window in (target.window, guarding)
    )
    verdict = decide("all of it", tuning, guards, context.seed)
    values = {method: target.values(score, test) for method, score in scorers.items()}
    print(share, {name: round(float(each.mean()), 4) for name, each in values.items()}, flush=True)
    return {
        "share": share,
        "events": len(target.wanted.items_N),
        "adapters": methods.moved.adapter_parameters,
        "moving_steps": methods.tuned["moving_steps"],
        "verdict": asdict(verdict),
        "users": len(values[TRANSFER]),
        "ndcg": {method: asdict(bootstrap(each, context.seed)) for method, each in values.items()},
        "over_scratch": asdict(bootstrap(values[TRANSFER] - values[SCRATCH], context.seed)),
        "of_full": float(values[TRANSFER].mean() / values[FULL].mean()),
    }


def of_months(folder: Path) -> TransferTask:
    """The trunk is trained on the months before MONTHS_FROM; its last weeks validate."""
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

    return TransferTask(Split(learned, window, window), items, target, Config(), "all")


def retail(folder: Path) -> tuple[pa.Table, Histories]:
    """Purchases of known customers, an item of an invoice once, without returns."""
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


def of_shops(source: Table, target: Table) -> TransferTask:
    """One catalogue of both shops' items, the source's first; no user is in both."""
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
        empty = train.only(np.zeros(len(train.items_N), bool))
        return (
            Target(items_J, empty, train, train, tuning, tags_JT, "new"),
            guarding,
            Window(keep(test.histories), test.targets),
        )

    return TransferTask(
        Split(of_source(first.train), trained, trained),
        catalogue.numbered(count),
        part,
        sequences_config(),
        "new",
        PAIR_SHARES,
    )


def sampled(window: Window, most: int, moved: Callable[[Histories], Histories]) -> Window:
    """At most ``most`` users of a window, their histories mapped by ``moved``."""
    rows = np.random.default_rng(0).permutation(len(window.histories))[:most]
    some = window.take(np.sort(rows))
    return Window(moved(some.histories), moved(some.targets))


def sequences_config() -> Config:
    """For short histories without times: a day is a step, as in the published tables."""
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
        adapters, trunk = found["points"][0]["adapters"], found["trunk"]
        parts += [
            f"### {name[0].upper()}{name[1:]}",
            f"Adapters have {adapters:,} parameters, {adapters / trunk:.1%} of the trunk's "
            f"{trunk:,}; {found['points'][0]['users']:,} users are evaluated; "
            f"{found['seconds']:,.0f} s and {found['peak_mb']:,.0f} MB in all.",
            grid(HEAD, (_cells(point) for point in found["points"])),
        ]
    parts += [f"Not measured: {name}: {why}." for name, why in figures["missing"].items()]
    return "\n\n".join(parts)


INTRODUCTION = f"""In Online Retail the trunk is trained on the months before {MONTHS_FROM:%B %Y}
and moved to all that was sold in the six weeks from then on; users and most items are the same.
Beauty and Sports share neither users nor items: only the trunk's encoder moves, and the target's
items start from the singular vectors of its known events. NDCG@10 of the target's items among
themselves: of users of the target in the test window of {WINDOW_DAYS} days, and of the held-out
last item of {MOST_USERS:,} users of the other shop. One seed."""
HEAD = ["share", "events", *(NAMES[method] for method in METHODS)]
HEAD += ["adapters above from scratch", "of full fine-tuning's", "guard"]


def _cells(point: dict[str, Any]) -> list[str]:
    verdict = point["verdict"]
    adopted = verdict["status"] == ADOPTED
    return [
        f"{point['share']:.0%}",
        f"{point['events']:,}",
        *(interval(point["ndcg"][method]) for method in METHODS),
        interval(point["over_scratch"], sign="+"),
        f"{point['of_full']:.2f}",
        "adopted" if adopted else f"rejected: {verdict['served']}",
    ]
