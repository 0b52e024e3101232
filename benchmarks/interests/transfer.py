"""Transfer: adapters beside full fine-tuning, learning from scratch and popularity, by how much of
the target is learned from; and whether the guard falls back where nothing can be transferred.

In the simulated shop each kind of Leisure shares an interest with one of Grocery, and Care with
nothing. On a snapshot, the small departments are the target.
"""

from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.isolated import apart
from penchant.artifacts import Snapshot
from penchant.ingestion.sources.simulator import simulate
from penchant.settings import Settings
from training.data.histories import Histories, epoch, read_dataset, starts
from training.data.split import Window, split_by_time
from training.evaluation.metrics.intervals import Interval, bootstrap
from training.families.transfer import Config, Model
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.trainer import TrainerConfig
from training.layers.sequences.next_item import NextItemConfig
from training.layers.sequences.windows import WindowsConfig
from training.layers.transfer.adaptation import FULL, AdaptationConfig, adapt, closed_form_start
from training.layers.transfer.adapters import parameter_count
from training.layers.transfer.domains import DomainsConfig, domains
from training.layers.transfer.guard import ADOPTED, POPULARITY, SCRATCH, TRANSFER
from training.layers.transfer.moving import decisions, of_source, target_of, train_methods
from training.layers.transfer.target import thinned

TITLE = "Transfer to categories with little data"
SEEDS = 20
CURVE_SEEDS = 3
CHOSEN_ON = 3  # seeds, the first, whose figures were seen while this was built
SHARES = (0.01, 0.05, 0.10, 0.25, 1.0)
SHARE = 0.05  # that the targets of quality are of
USERS, ITEMS, DAYS, WINDOW_DAYS = 1500, 120, 180, 28
LINKED, UNLINKED = "Leisure", "Care"
WAYS = (TRANSFER, FULL, SCRATCH, POPULARITY)
NAMES = {
    TRANSFER: "adapters",
    FULL: "full fine-tuning",
    SCRATCH: "from scratch",
    POPULARITY: "popularity",
}

LEARNING = NextItemConfig(
    windows=WindowsConfig(length=50, events_a_batch=1024, horizon_days=WINDOW_DAYS),
    negatives=128,
    temperature=0.1,
    warm_start=True,
    sum_weight=60.0,
    epochs=20.0,
    trainer=TrainerConfig(
        steps=300, learning_rate=3e-3, warmup_steps=20, validate_every=50, patience=2
    ),
)
SMALL = Config(
    dimensions=32,
    learning=LEARNING,
    scratch=LEARNING,
    moving=AdaptationConfig(bottleneck=3),
    domains=DomainsConfig(targets=(UNLINKED, LINKED)),
)
"""For the simulated shop: chosen on its first seeds (CHOSEN_ON)."""


def measure(settings: Settings) -> dict[str, Any]:
    simulated = [
        apart(
            "transfer:simulated", seed=seed, shares=list(SHARES if seed < CURVE_SEEDS else [SHARE])
        )
        for seed in range(SEEDS)
    ]
    department = apart("transfer:departments", home=str(settings.home), seed=settings.seed)
    return {
        "simulated": _pooled(
            [{"seed": seed, **point} for seed, one in enumerate(simulated) for point in one.value]
        ),
        "departments": department.value,
        "departments_peak_mb": department.peak_mb,
    }


def _pooled(points: list[dict[str, Any]]) -> dict[str, Any]:
    """``points`` without each user's figure, and ``curves`` of the users of some seeds."""
    curves = [
        {
            "target": name,
            "share": share,
            "events": float(np.mean([point["events"] for point in there])),
            "taken": sum(point["verdict"]["status"] == ADOPTED for point in there),
            "seeds": len(there),
            "ndcg": {way: asdict(bootstrap(_together(there, way), 0)) for way in WAYS},
        }
        for name in (LINKED, UNLINKED)
        for share in SHARES
        if (
            there := [
                point
                for point in points
                if (point["target"], point["share"]) == (name, share)
                and point["seed"] < CURVE_SEEDS
            ]
        )
    ]
    for point in points:
        values = {way: np.array(found) for way, found in point.pop("values").items()}
        point["ndcg"] = {way: float(found.mean()) for way, found in values.items()}
        point["over"] = {
            way: asdict(bootstrap(values[TRANSFER] - values[way], 0)) for way in WAYS[1:]
        }
    return {"points": points, "curves": curves}


def simulated(seed: int, shares: list[float]) -> list[dict[str, Any]]:
    """One trunk of one shop, moved to the linked department and to the other, by each share."""
    items, histories = shop(seed)
    split = split_by_time(histories, WINDOW_DAYS)
    with TemporaryDirectory() as folder:
        context = TrainingContext(
            split.validation, items, torch.device("cpu"), seed, Budget(3600, 10**5), Path(folder)
        )
        found = domains(items, split.train.counts_I(), SMALL.domains)
        source = of_source(split, found)
        trunk = SMALL.model(SMALL.learning)
        trunk.fit(source, replace(context, window=source.validation))
        points = []
        for name in (LINKED, UNLINKED):
            for share in shares:
                there = replace(context, checkpoints=context.checkpoints / f"{name}-{share}")
                keep = thinned(found.items_of(name), share, seed)
                target, guarding = target_of(split, items, found, [name], keep)
                tried = train_methods(
                    trunk, SMALL.model(SMALL.scratch), target, SMALL.moving, there
                )
                start = closed_form_start(trunk, target, SMALL.moving, there)
                full, _ = adapt(
                    trunk,
                    target,
                    start,
                    FULL,
                    SMALL.moving,
                    replace(there, checkpoints=there.checkpoints / FULL),
                )
                [verdict] = decisions(tried, guarding, found, [name], seed)
                test = Window(keep(split.test.histories), split.test.targets)
                values = {
                    way: target.values(score, test).round(5).tolist()
                    for way, score in {**tried.scorers(), FULL: full.scores}.items()
                }
                points.append(
                    {
                        "target": name,
                        "share": share,
                        "events": len(target.wanted.items_N),
                        "verdict": asdict(verdict),
                        "steps": tried.tuned,
                        "adapters": tried.moved.adapter_parameters,
                        "trunk": parameter_count(trunk.network.encoder),
                        "of_items": tried.moved.item_parameters,
                        "values": values,
                    }
                )
    return points


def departments(home: str, seed: int) -> dict[str, Any]:
    """The family of the main job on the current snapshot, with the whole curve."""
    settings = Settings().model_copy(update={"home": Path(home)})
    snapshot = Snapshot.live(settings)
    dataset = read_dataset(snapshot)
    split = split_by_time(dataset.histories)
    with TemporaryDirectory() as folder:
        budget = Budget(3600, 10**5)
        context = TrainingContext(
            split.validation, dataset.items, torch.device("cpu"), seed, budget, Path(folder)
        )
        model = Model(replace(Config(), curve_shares=SHARES))
        model.fit(split, context)
        return {
            "sources": sorted({str(snapshot.id)}),
            "tuned": model.tuned,
            "trunk": model.trunk_parameters,
            "categories": [asdict(verdict) for verdict in model.decisions],
            "curve": model.learning_curve(split, context),
        }


def shop(seed: int) -> tuple[pa.Table, Histories]:
    """The catalogue of a simulated shop, and what was bought."""
    tables = simulate(seed, USERS, ITEMS, DAYS)
    rows = sorted(tables["items"], key=lambda row: row["item_id"])
    columns = ("item_id", "category_1", "category_2", "category_3", "brand")
    items = pa.table({name: [row[name] for row in rows] for name in columns})
    number = {row["item_id"]: place for place, row in enumerate(rows)}
    events = sorted(
        (int(event["user_id"][1:]), epoch(event["event_at"]), number[event["item_id"]])
        for event in tables["events"]
        if event["event_type"] == "purchase"
    )
    users_N, times_N, items_N = np.array(events).T
    return items, Histories(
        np.arange(USERS),
        starts(np.bincount(users_N, minlength=USERS)),
        items_N.astype(np.int32),
        times_N,
        np.ones(len(events), np.float32),
        ITEMS,
        int(times_N.max()) + 1,
    )


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join([_simulated(figures), _departments(figures)])


def _simulated(figures: dict[str, Any]) -> str:
    points = [point for point in figures["simulated"]["points"] if point["share"] == SHARE]
    linked, unlinked = (
        [point for point in points if point["target"] == name] for name in (LINKED, UNLINKED)
    )
    first, seeds = linked[0], f"{len(linked)} seeds"
    share = first["adapters"] / first["trunk"]
    ratio = _mean(linked, TRANSFER) / _mean(linked, FULL)
    gain, over = (
        bootstrap(np.array([point["over"][way]["mean"] for point in linked]), 0)
        for way in (SCRATCH, POPULARITY)
    )
    significant = sum(point["over"][SCRATCH]["low"] > 0 for point in linked)
    unseen = bootstrap(
        np.array(
            [point["over"][SCRATCH]["mean"] for point in linked if point["seed"] >= CHOSEN_ON]
        ),
        0,
    )
    trained = sum(point["steps"]["moving_steps"] > 0 for point in linked)
    fell = sum(point["verdict"]["status"] != ADOPTED for point in unlinked)
    took = sum(point["verdict"]["status"] == ADOPTED for point in linked)
    rows = [
        ["what", "measured", "target", "met"],
        ["---"] * 4,
        [
            "adapters' parameters, of the trunk's",
            f"{first['adapters']:,} of {first['trunk']:,}: {share:.1%}",
            "<= 5 %",
            _met(share <= 0.05),
        ],
        ["parameters of the target's items, beside", f"{first['of_items']:,}", "", ""],
        [
            f"adapters over full fine-tuning, linked, {seeds}",
            f"{ratio:.3f}",
            ">= 0.9",
            _met(ratio >= 0.9),
        ],
        [
            f"adapters above from scratch, linked, {seeds}",
            _signed(gain),
            "> its interval",
            _met(gain.low > 0),
        ],
        ["of these, seeds above by more than their own interval", f"{significant}", "", ""],
        [f"the same without the {CHOSEN_ON} that it was built on", _signed(unseen), "", ""],
        [f"adapters above popularity, linked, {seeds}", _signed(over), "", ""],
        [f"adapters left the start, linked, {seeds}", f"{trained}", "", ""],
        [f"guard takes over, linked, {seeds}", f"{took}", "", ""],
        [
            f"guard falls back, unlinked, {seeds}",
            f"{fell} of {len(unlinked)}",
            f"{SEEDS} of {SEEDS}",
            "so far" if fell == len(unlinked) < SEEDS else _met(fell == len(unlinked)),
        ],
    ]
    curves = [
        _curve(
            f"{name}, {CURVE_SEEDS} seeds",
            [_point_row(one) for one in figures["simulated"]["curves"] if one["target"] == name],
        )
        for name in (LINKED, UNLINKED)
    ]
    told = (
        f"A simulated shop of {USERS:,} users and {ITEMS} items over {DAYS} days. The trunk is "
        "trained on Grocery and Home; each kind of Leisure shares an interest with one of Grocery, "
        "those of Care with nothing. NDCG@10 of the target's items among themselves, of all who "
        f"went to it in the last {WINDOW_DAYS} days; what isn't of the share is neither learned "
        f"from nor read. At {SHARE:.0%} of the target:"
    )
    start = (
        f"In {len(linked) - trained} of the {seeds} no step of the adapters validated better than "
        "the closed form that every move starts from: what was moved there is the frozen trunk's "
        "states and a linear layer, and the adapters do nothing. Where the target is whole, "
        "learning it from scratch is best, since habits within it say most, and the guard falls "
        "back."
    )
    return "\n\n".join([told, lines(rows), start, *curves])


def _point_row(one: dict[str, Any]) -> list[str]:
    ndcg = [shown(one["ndcg"][way]) for way in WAYS]
    return [
        f"{one['share']:.0%}",
        f"{one['events']:,.0f}",
        *ndcg,
        f"{one['taken']} of {one['seeds']}",
    ]


def _departments(figures: dict[str, Any]) -> str:
    found = figures["departments"]
    tuned = found["tuned"]
    by_share: dict[float, dict[str, Any]] = {}
    for point in found["curve"]:
        by_share.setdefault(point["share"], {"events": point["events"]})[point["way"]] = point
    rows = [
        [f"{share:.0%}", f"{one['events']:,}", *(shown(one[way]["ndcg"]) for way in WAYS), ""]
        for share, one in sorted(by_share.items())
    ]
    categories = "\n".join(
        f"| {each['category']} | {each['status']} | {each['served']} | {each['reason']} | "
        f"{each['users']} | {each['share']:.0%} |"
        for each in found["categories"]
    )
    return (
        "On the current snapshot, the main job's family: the source is the largest departments "
        "that hold 95 % of the events, the target all others together. Adapters have "
        f"{tuned.get('adapter_parameters', 0):,.0f} parameters, "
        f"{tuned.get('adapter_share', 0):.1%} of the trunk's {found['trunk']:,}; the target's "
        f"items {tuned.get('target_item_parameters', 0):,.0f} beside. One seed, "
        f"{figures['departments_peak_mb']:,.0f} MB.\n\n"
        f"{_curve('the small departments', rows)}\n\n"
        "| department | verdict | served by | gain, 99 % interval | users evaluated | "
        "came by transfer |\n|---|---|---|---|---|---|\n" + categories + "\n\n" + WHY
    )


WHY = (
    "Where a department is learned from scratch, what a user bought there comes again, and that "
    "is most of what is to be known. A moved trunk can echo what was read (``echoes`` in "
    "training/layers/transfer/adaptation.py), but items that it never saw are read as the mean "
    "state of those who went to them, and these are very similar. Where the trunk knows the "
    "items, as in later months of a shop (below), the echo is worth most. The next idea "
    "is to read a new item by what it is bought with in the target."
)


def _curve(title: str, rows: list[list[str]]) -> str:
    head = ["share", "events", *(NAMES[way] for way in WAYS), "guard took over"]
    return f"NDCG@10, {title}:\n\n" + lines([head, ["---"] * len(head), *rows])


def lines(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _mean(points: list[dict[str, Any]], way: str) -> float:
    return float(np.mean([point["ndcg"][way] for point in points]))


def _signed(gain: Interval) -> str:
    return f"{gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"


def _met(met: bool) -> str:
    return "yes" if met else "**no**"


def _together(points: list[dict[str, Any]], way: str) -> np.ndarray:
    return np.concatenate([np.array(point["values"][way]) for point in points])


def shown(ndcg: dict[str, float]) -> str:
    return f"{ndcg['mean']:.4f} ({ndcg['low']:.4f} to {ndcg['high']:.4f})"
