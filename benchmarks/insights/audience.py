"""First buyers of new items among the best users, against the mailing list of the category."""

import time
from typing import Any

import numpy as np

from benchmarks.insights.homes import homes_of
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.artifacts.audience import AudienceRecord
from penchant.errors import NothingToDo
from penchant.insights.audience.catalogue import read_catalogue
from penchant.insights.audience.launch import (
    Calibration,
    LaunchBudget,
    Response,
    plan_impressions,
)
from penchant.insights.audience.profiles import features_of, read_purchases
from penchant.insights.audience.stage import (
    WINDOWS,
    audiences,
    fitted,
    window_before,
)
from penchant.insights.intervals import mean_interval
from penchant.settings import Settings

TITLE = "Launch audience"
IMPRESSIONS = 500
PLANS: dict[str, tuple[float, bool]] = {
    "the best users": (0.0, True),
    "a fifth explores, where most is learned": (0.2, True),
    "a fifth explores at random": (0.2, False),
}
"""Share that explores, and whether it is drawn by what it tells."""


def measure(settings: Settings, *, homes: str = "") -> dict[str, Any]:
    """``homes``: other homes with a live snapshot, comma-separated."""
    return {name: _of_home(each) for name, each in homes_of(settings, homes)}


def _of_home(settings: Settings) -> dict[str, Any]:
    started = time.process_time()
    try:
        record, _ = audiences(settings, Snapshot.live(settings))
    except NothingToDo as error:
        return {"missing": error.cause}
    seconds = time.process_time() - started
    launch = launch_plans(settings, Snapshot.live(settings))
    return {"cpu_seconds": seconds, "record": record.as_dict(), "launch": launch}


def launch_plans(settings: Settings, snapshot: Snapshot) -> dict[str, Any]:
    """Plans of the same cost for the launches of the last window, by models of those before.

    ``learned``: how much the answers of the planned users lower the log loss of users who neither
    plan shows the item to, in 1/10,000.
    """
    catalogue = read_catalogue(snapshot)
    purchases = read_purchases(snapshot, catalogue, settings.threads)
    random = np.random.default_rng(settings.seed)
    windows = [window_before(purchases, catalogue, days, random) for days in WINDOWS]
    test, weights_F = windows[-1], fitted(windows[:-1])
    calibration = Calibration.of(windows[-2], weights_F)
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in PLANS}
    for launch in test.launches:
        features_UF = features_of(test.profiles, catalogue, launch.item)
        response = calibration.response(features_UF)
        bought_U = np.isin(np.arange(len(features_UF)), launch.buyers_B)
        outside_U = np.ones(len(bought_U), bool)
        outside_U[np.argsort(-response.probability_U, kind="stable")[:IMPRESSIONS]] = False
        for name, (explore, informed) in PLANS.items():
            budget = LaunchBudget(IMPRESSIONS, 1.0, explore, cap=1)
            shown_U = plan_impressions(response, budget, 0, informed).impressions_U > 0
            learned = response.learned(np.flatnonzero(shown_U), bought_U[shown_U])
            rest_U = outside_U & ~shown_U
            gain = _log_loss(response, bought_U, rest_U) - _log_loss(learned, bought_U, rest_U)
            rows[name].append((float(bought_U[shown_U].sum() / bought_U.sum()), 1e4 * gain))
    return {
        name: [mean_interval(column) for column in np.array(found).T]
        for name, found in rows.items()
    }


def _log_loss(response: Response, bought_U: np.ndarray, rows_U: np.ndarray) -> float:
    probability_N = response.probability_U[rows_U]
    return float(-np.log(np.where(bought_U[rows_U], probability_N, 1 - probability_N)).mean())


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join(_page_of(name, figures[name]) for name in sorted(figures))


def _page_of(source: str, figures: dict[str, Any]) -> str:
    if "missing" in figures:
        return f"**{source}**: not measured: {figures['missing']}."
    record = AudienceRecord.model_validate(figures["record"])
    difference = record.difference
    return "\n\n".join(
        [
            f"**{source}**: {record.tested_launches} items first sold in the 28 days after "
            f"{record.tested_at:%Y-%m-%d}, with {record.tested_buyers} first buyers among "
            f"{record.users:,} users; learned from {record.launches - record.tested_launches} "
            f"earlier launches; {figures['cpu_seconds']:.0f} CPU seconds. The order in bold was "
            "selected on three earlier windows. Less category purchases, by item: recall@100 "
            f"{interval(difference.recall_100, 3, '+')}, recall@500 "
            f"{interval(difference.recall_500, 3, '+')}. Where items have no category, activity is "
            "the order to compare with.",
            grid(
                ["order of users", "first buyers among the best 100", "among the best 500"],
                [
                    [
                        f"**{name}**" if name == record.method else name,
                        interval(each.recall_100, 3),
                        interval(each.recall_500, 3),
                    ]
                    for name, each in record.quality.items()
                ],
            ),
            *_plans(figures.get("launch")),
        ]
    )


def _plans(launch: dict[str, Any] | None) -> list[str]:
    if launch is None:
        return []
    return [
        f"Launch plans of {IMPRESSIONS} users for the same items, and how much their answers lower "
        "the log loss of other users, in 1/10,000.",
        grid(
            ["impressions to", "first buyers reached", "learned"],
            [
                [name, interval(reached, 3), interval(learned, 2, "+")]
                for name, (reached, learned) in launch.items()
            ],
        ),
    ]
