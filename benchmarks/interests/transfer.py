"""Transfer: adapters beside full fine-tuning, training from scratch and popularity, by the share of
the target that is trained on; and whether the guard falls back where nothing can be transferred.

In the simulated shop each kind of Leisure shares an interest with one of Grocery, and Care with
none. On a snapshot, the small departments are the target.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.ingestion.sources.simulator import simulate
from penchant.settings import Settings
from training.data.histories import Histories, epoch, read_dataset, starts
from training.data.split import Window, split_by_time
from training.evaluation.metrics.full_ranking import Scorer
from training.evaluation.metrics.intervals import bootstrap
from training.families.transfer import Config, Model
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
TUNED_SEEDS = 3  # the first seeds, whose figures were seen during development
SHARES = (0.01, 0.05, 0.10, 0.25, 1.0)
SHARE = 0.05  # that the quality targets are for
USERS, ITEMS, DAYS, WINDOW_DAYS = 1500, 120, 180, 28
LINKED, UNLINKED = "Leisure", "Care"
METHODS = (TRANSFER, FULL, SCRATCH, POPULARITY)
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
# For the simulated shop, tuned on its first seeds (TUNED_SEEDS)
SMALL = Config(
    dimensions=32,
    learning=LEARNING,
    scratch=LEARNING,
    moving=AdaptationConfig(bottleneck=3),
    domains=DomainsConfig(targets=(UNLINKED, LINKED)),
)


def measure(settings: Settings) -> dict[str, Any]:
    points = []
    for seed in range(SEEDS):
        shares = list(SHARES if seed < CURVE_SEEDS else [SHARE])
        done = isolated("interests.transfer:simulated", seed=seed, shares=shares)
        points += [{"seed": seed, **point} for point in done.value]
    arguments = {"home": str(settings.home), "seed": settings.seed}
    department = isolated("interests.transfer:departments", **arguments)
    return {
        "simulated": _pooled(points),
        "departments": department.value,
        "departments_peak_mb": department.peak_mb,
    }


def _pooled(points: list[dict[str, Any]]) -> dict[str, Any]:
    """``points`` without each user's value, and ``curves`` over the users of some seeds."""
    curves = []
    for name in (LINKED, UNLINKED):
        for share in SHARES:
            group = [
                point
                for point in points
                if (point["target"], point["share"]) == (name, share)
                and point["seed"] < CURVE_SEEDS
            ]
            pooled = {
                method: np.concatenate([point["values"][method] for point in group])
                for method in METHODS
            }
            curves.append(
                {
                    "target": name,
                    "share": share,
                    "events": float(np.mean([point["events"] for point in group])),
                    "adopted": sum(_adopted(point) for point in group),
                    "seeds": len(group),
                    "ndcg": {each: asdict(bootstrap(values, 0)) for each, values in pooled.items()},
                }
            )
    for point in points:
        values = {method: np.array(found) for method, found in point.pop("values").items()}
        point["ndcg"] = {method: float(found.mean()) for method, found in values.items()}
        point["over"] = {
            method: asdict(bootstrap(values[TRANSFER] - values[method], 0))
            for method in METHODS[1:]
        }
    return {"points": points, "curves": curves}


def trained(
    trunk: Any, target: Any, config: Config, context: TrainingContext
) -> tuple[Any, dict[str, Scorer]]:
    """The trained methods, and their scorers with full fine-tuning's beside."""
    methods = train_methods(trunk, config.model(config.scratch), target, config.moving, context)
    start = closed_form_start(trunk, target, config.moving, context)
    beside = replace(context, checkpoints=context.checkpoints / FULL)
    full, _ = adapt(trunk, target, start, FULL, config.moving, beside)
    return methods, {**methods.scorers(), FULL: full.scores}


def simulated(seed: int, shares: list[float]) -> list[dict[str, Any]]:
    """One trunk of one shop, moved to the linked department and to the other, by each share."""
    items, histories = shop(seed)
    split = split_by_time(histories, WINDOW_DAYS)
    found = domains(items, split.train.counts_I(), SMALL.domains)
    with training_context(split.validation, items, seed) as context:
        source = of_source(split, found)
        trunk = SMALL.model(SMALL.learning)
        trunk.fit(source, replace(context, window=source.validation))
        points = []
        for name in (LINKED, UNLINKED):
            for share in shares:
                own = replace(context, checkpoints=context.checkpoints / f"{name}-{share}")
                keep = thinned(found.items_of(name), share, seed)
                target, guarding = target_of(split, items, found, [name], keep)
                methods, scorers = trained(trunk, target, SMALL, own)
                [verdict] = decisions(methods, guarding, found, [name], seed)
                test = Window(keep(split.test.histories), split.test.targets)
                points.append(
                    {
                        "target": name,
                        "share": share,
                        "events": len(target.wanted.items_N),
                        "verdict": asdict(verdict),
                        "steps": methods.tuned,
                        "adapters": methods.moved.adapter_parameters,
                        "trunk": parameter_count(trunk.network.encoder),
                        "of_items": methods.moved.item_parameters,
                        "values": {
                            method: target.values(score, test).round(5).tolist()
                            for method, score in scorers.items()
                        },
                    }
                )
    return points


def departments(home: str, seed: int) -> dict[str, Any]:
    """The main job's family on the live snapshot, with the whole curve."""
    snapshot = Snapshot.live(Settings().model_copy(update={"home": Path(home)}))
    dataset = read_dataset(snapshot)
    split = split_by_time(dataset.histories)
    with training_context(split.validation, dataset.items, seed) as context:
        model = Model(replace(Config(), curve_shares=SHARES))
        model.fit(split, context)
        return {
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
    return "\n\n".join([_simulated(figures["simulated"]), _departments(figures)])


def _simulated(figures: dict[str, Any]) -> str:
    points = [point for point in figures["points"] if point["share"] == SHARE]
    linked, unlinked = (
        [point for point in points if point["target"] == name] for name in (LINKED, UNLINKED)
    )
    first, seeds = linked[0], f"{len(linked)} seeds"
    share = first["adapters"] / first["trunk"]
    adapters, full = (
        np.mean([point["ndcg"][method] for point in linked]) for method in (TRANSFER, FULL)
    )
    unseen = [point for point in linked if point["seed"] >= TUNED_SEEDS]
    gain, over = _gain(linked, SCRATCH), _gain(linked, POPULARITY)
    significant = sum(point["over"][SCRATCH]["low"] > 0 for point in linked)
    moved = sum(point["steps"]["moving_steps"] > 0 for point in linked)
    fell_back = sum(not _adopted(point) for point in unlinked)
    all_fell = fell_back == len(unlinked)
    rows = [
        [
            "adapters' parameters, of the trunk's",
            f"{first['adapters']:,} of {first['trunk']:,}: {share:.1%}",
            "<= 5 %",
            _met(share <= 0.05),
        ],
        ["parameters of the target's items, beside", f"{first['of_items']:,}", "", ""],
        [
            f"adapters over full fine-tuning, linked, {seeds}",
            f"{adapters / full:.3f}",
            ">= 0.9",
            _met(adapters / full >= 0.9),
        ],
        [
            f"adapters above from scratch, linked, {seeds}",
            interval(gain, sign="+"),
            "> its interval",
            _met(gain["low"] > 0),
        ],
        ["of these, seeds with a significant gain of their own", significant, "", ""],
        [
            f"the same without the {TUNED_SEEDS} of development",
            interval(_gain(unseen, SCRATCH), sign="+"),
            "",
            "",
        ],
        [f"adapters above popularity, linked, {seeds}", interval(over, sign="+"), "", ""],
        [f"adapters changed from the start, linked, {seeds}", moved, "", ""],
        [f"guard adopts, linked, {seeds}", sum(map(_adopted, linked)), "", ""],
        [
            f"guard falls back, unlinked, {seeds}",
            f"{fell_back} of {len(unlinked)}",
            f"{SEEDS} of {SEEDS}",
            "so far" if all_fell and len(unlinked) < SEEDS else _met(all_fell),
        ],
    ]
    curves = [
        _curve(
            f"{name}, {CURVE_SEEDS} seeds",
            [
                [
                    f"{one['share']:.0%}",
                    f"{one['events']:,.0f}",
                    *(interval(one["ndcg"][method]) for method in METHODS),
                    f"{one['adopted']} of {one['seeds']}",
                ]
                for one in figures["curves"]
                if one["target"] == name
            ],
        )
        for name in (LINKED, UNLINKED)
    ]
    return "\n\n".join(
        [
            f"A simulated shop of {USERS:,} users and {ITEMS} items over {DAYS} days. The trunk is "
            "trained on Grocery and Home; each kind of Leisure shares an interest with one of "
            "Grocery, those of Care with none. NDCG@10 of the target's items among themselves, of "
            f"all users who used it in the last {WINDOW_DAYS} days; events outside of the share "
            f"are not used. At {SHARE:.0%} of the target:",
            grid(["what", "measured", "target", "met"], rows),
            f"In {len(linked) - moved} of the {seeds} no step of the adapters validated better "
            "than the closed form that every adaptation starts from: the frozen trunk's states and "
            "a linear layer, without effect of the adapters. Where the target is whole, training "
            "from scratch is best, since habits within it predict most, and the guard falls back.",
            *curves,
        ]
    )


def _gain(points: list[dict[str, Any]], method: str) -> dict[str, float]:
    return asdict(bootstrap(np.array([point["over"][method]["mean"] for point in points]), 0))


def _adopted(point: dict[str, Any]) -> bool:
    return bool(point["verdict"]["status"] == ADOPTED)


def _departments(figures: dict[str, Any]) -> str:
    found = figures["departments"]
    tuned = found["tuned"]
    by_share: dict[float, dict[str, Any]] = {}
    for point in found["curve"]:
        by_share.setdefault(point["share"], {"events": point["events"]})[point["way"]] = point
    curve = [
        [f"{share:.0%}", f"{one['events']:,}", *(interval(one[way]["ndcg"]) for way in METHODS), ""]
        for share, one in sorted(by_share.items())
    ]
    columns = ("category", "status", "served", "reason", "users")
    categories = [
        [*(each[name] for name in columns), f"{each['share']:.0%}"] for each in found["categories"]
    ]
    head = ["department", "verdict", "served by", "gain, 99 % interval", "users evaluated"]
    return "\n\n".join(
        [
            "On the live snapshot, the main job's family: the source is the largest departments "
            "that hold 95 % of the events, the target all others together. Adapters have "
            f"{tuned.get('adapter_parameters', 0):,.0f} parameters, "
            f"{tuned.get('adapter_share', 0):.1%} of the trunk's {found['trunk']:,}; the target's "
            f"items {tuned.get('target_item_parameters', 0):,.0f} beside. One seed, "
            f"{figures['departments_peak_mb']:,.0f} MB.",
            _curve("the small departments", curve),
            grid([*head, "served by transfer"], categories),
            "Training from scratch learns the repeat purchases of a department, which predict "
            "most. A moved trunk can echo its input (`echoes` in "
            "training/layers/transfer/adaptation.py), but items that it never saw are encoded as "
            "the mean state of their users, and these are similar. Where the trunk knows the "
            "items, as in later months of a shop (below), the echo helps most.",
        ]
    )


def _curve(title: str, rows: list[list[str]]) -> str:
    head = ["share", "events", *(NAMES[method] for method in METHODS), "guard adopted"]
    return f"NDCG@10, {title}:\n\n" + grid(head, rows)


def _met(met: bool) -> str:
    return "yes" if met else "**no**"
