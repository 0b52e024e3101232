"""What a warm fit costs and is worth, day by day after the cold fit that it starts from.

A simulated shop, a tenth of whose items come in during the year. Each family is fitted cold once,
and then on later days twice: cold, and warm from that first fit. Both are evaluated on the test
window of the day, by users in pairs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmarks.fitting import training_context
from benchmarks.rows import grid, interval
from benchmarks.simulated_histories import DAYS, simulated_histories
from penchant.settings import Settings
from training.configs import config_for
from training.data.histories import DAY, Dataset
from training.data.split import Split, split_by_time
from training.evaluation.metrics.full_ranking import evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.fitting.factory import make_ranker
from training.fitting.family import Ranker
from training.fitting.parent import NEW, CannotStartWarm, Parent
from training.names import STARTS_WARM

TITLE = "Warm fits"
SHARE = 0.2  # of the CPU seconds of a cold fit, at most
LATE_ITEMS = 0.1  # share that comes in during the year
SEED = 5


def measure(
    settings: Settings,
    *,
    families: tuple[str, ...] = STARTS_WARM,
    users: int = 500,
    items: int = 200,
    ages: tuple[int, ...] = (1, 7, 30),
) -> dict[str, Any]:
    """``ages``: days after the cold fit."""
    torch.set_num_threads(1)
    year = simulated_histories(users, items, SEED)
    arrives_I = arrivals(items)
    shops = {age: on_day(year, arrives_I, DAYS - max(ages) + age) for age in (0, *ages)}
    found = {}
    for name in families:
        found[name] = _family(settings, name, shops)
        print(f"{name}: {found[name]}", flush=True)
    events = int(shops[max(ages)].histories.lengths_U.sum())
    return {"users": users, "items": items, "events": events, "families": found}


def arrivals(items: int) -> np.ndarray:
    """The day on which each item comes in, 0 for most."""
    random = np.random.default_rng(SEED)
    late_I = random.random(items) < LATE_ITEMS
    return np.where(late_I, random.integers(1, DAYS, items), 0)


def on_day(year: Dataset, arrives_I: np.ndarray, day: int) -> Dataset:
    """The shop before a day: without later events, and without items that have not come in."""
    here_I = arrives_I < day
    histories = year.histories.before(day * DAY)
    keep_N = histories.times_N >= arrives_I[histories.items_N] * DAY
    histories = histories.only(keep_N & here_I[histories.items_N])
    place_I = np.cumsum(here_I) - 1
    return replace(
        year,
        item_ids=tuple(np.array(year.item_ids)[here_I]),
        items=year.items.filter(here_I),
        histories=replace(
            histories,
            items_N=place_I[histories.items_N].astype(np.int32),
            item_count=int(here_I.sum()),
        ),
    )


@dataclass(frozen=True)
class Fit:
    """A fitted family, the CPU seconds and NDCG@10 of each user of the test window."""

    family: Ranker
    seconds: float
    ndcg_U: np.ndarray


def _family(settings: Settings, name: str, shops: Mapping[int, Dataset]) -> dict[str, Any]:
    first = _fitted(settings, name, shops[0], None)
    rows: dict[str, Any] = {}
    for age, shop in shops.items():
        if age:
            cold = _fitted(settings, name, shop, None)
            places = {item: place for place, item in enumerate(shops[0].item_ids)}
            places_I = torch.tensor([places.get(item, NEW) for item in shop.item_ids])
            parent = Parent("cold", first.family.state(), places_I)
            try:
                warm = _fitted(settings, name, shop, parent)
            except CannotStartWarm as error:
                rows[str(age)] = {"why_cold": error.cause}
                continue
            rows[str(age)] = {
                "cold_seconds": cold.seconds,
                "warm_seconds": warm.seconds,
                "cold": vars(bootstrap(cold.ndcg_U, SEED)),
                "warm": float(warm.ndcg_U.mean()),
                "difference": vars(bootstrap(warm.ndcg_U - cold.ndcg_U, SEED)),
                "new_items": int((places_I == NEW).sum()),
            }
    return rows


def _fitted(settings: Settings, name: str, shop: Dataset, parent: Parent | None) -> Fit:
    split = split_by_time(shop.histories)
    family = make_ranker(name, config_for(settings, name))
    window = split.validation.evaluated()
    with training_context(window, shop.items, users=shop.users, parent=parent) as context:
        started = time.process_time()
        family.fit(split, context)
        seconds = time.process_time() - started
    return Fit(family, seconds, _test_ndcg(family, split))


def _test_ndcg(family: Ranker, split: Split) -> np.ndarray:
    family.observe(split.test.histories)
    window = split.test.evaluated()
    return evaluate_window(family.scorer(), window)["all"].values["ndcg@10"]


def page(figures: dict[str, Any]) -> str:
    head = ["family", "days", "cold s", "warm s", "warm / cold", "cold NDCG@10", "warm - cold"]
    rows = [
        _row(name, days, of[days])
        for name, of in figures["families"].items()
        for days in sorted(of, key=int)
    ]
    return (
        f"A simulated shop of {figures['users']:,} users, {figures['items']:,} items and "
        f"{figures['events']:,} purchases in a year, {LATE_ITEMS:.0%} of whose items come in "
        "during it. Each family is fitted cold once, then on later *days* both cold and warm from "
        "that first fit. CPU seconds of one thread, of the fit alone. NDCG@10 of the test window, "
        "and the difference by users in pairs, with 95 % bootstrap confidence intervals.\n\n"
        + grid(head, rows)
        + f"\n\nTargets: at most {SHARE:.0%} of the CPU seconds, and an NDCG@10 in the interval "
        "of the cold fit."
    )


def _row(name: str, days: str, row: dict[str, Any]) -> list[str]:
    if "why_cold" in row:
        return [f"`{name}`", days, *[""] * 4, f"cold: {row['why_cold']}"]
    share, cold = row["warm_seconds"] / row["cold_seconds"], row["cold"]
    slow = " (missed)" if share > SHARE else ""
    outside = "" if cold["low"] <= row["warm"] <= cold["high"] else " (missed)"
    return [
        f"`{name}`",
        days,
        f"{row['cold_seconds']:.2f}",
        f"{row['warm_seconds']:.2f}",
        f"{share:.0%}{slow}",
        interval(cold),
        interval(row["difference"], sign="+") + outside,
    ]
