"""Differential privacy: NDCG@10 against epsilon, on the live snapshot of the home.

``--draws``: fits with fresh noise, for each family and epsilon.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.fitting import training_context
from benchmarks.rows import grid
from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.data.histories import Dataset, read_dataset
from training.data.split import Split, split_by_time
from training.evaluation.metrics.full_ranking import ndcg_at_10
from training.fitting.factory import default_config, make_ranker
from training.names import PRIVATE
from training.privacy.accounting import Guarantee

TITLE = "Differential privacy"
HEAD = """NDCG@10 over all items on the test window, for users with purchases in it, against the
epsilon that one run spends. Neighbouring data sets differ in one user, with all that the user did;
the [ledger](../privacy.md#the-ledger) composes runs. The column without privacy is the family as
the main job trains it, and brings its counts up to date; with privacy nothing after T1 is learned.
A figure of several fits has the least and the greatest in brackets. The constants of `ease` were
chosen on the validation window of this shop.

- `personal_frequency` learns only shares of items from others, so privacy costs it nothing.
- `popularity` counts users in place of events with privacy: each has one vote in L2 norm.
- `ease` learns 100 items' weights with privacy; at epsilon 1 the noise is larger than they are.
- `ncf` starts at random with privacy and has embeddings for 1,000 items alone. Random embeddings
  already match a user's own items: how much DP-SGD adds to them isn't measured.
"""


def measure(
    settings: Settings,
    *,
    epsilons: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0),
    draws: int = 2,
    users: int = 800,
) -> dict[str, Any]:
    """Mean NDCG@10 of each family at each epsilon, on at most ``users`` users."""
    dataset = read_dataset(Snapshot.live(settings))
    split = split_by_time(dataset.histories, None)
    test = split.test.evaluated()
    rows = np.random.default_rng(settings.seed).permutation(len(test.histories))[:users]
    split = replace(split, test=test.take(np.sort(rows)))
    found: dict[str, Any] = {"delta": settings.dp_delta, "users": len(rows), "draws": draws}
    found["shop"] = {
        "users": len(dataset.user_ids),
        "items": len(dataset.item_ids),
        "events": len(dataset.histories.items_N),
    }
    found["families"] = {}
    for name in PRIVATE:
        figures = {"none": [_quality(name, None, split, dataset)]}
        for epsilon in epsilons:
            guarantee = Guarantee(epsilon, settings.dp_delta)
            figures[f"{epsilon:g}"] = [
                _quality(name, guarantee, split, dataset) for _ in range(draws)
            ]
        found["families"][name] = figures
        print(name, figures, flush=True)
    return found


def _quality(name: str, guarantee: Guarantee | None, split: Split, dataset: Dataset) -> float:
    config = default_config(name)
    if guarantee:
        config = replace(config, privacy=guarantee)
    family = make_ranker(name, config)
    with training_context(split.validation.evaluated(), dataset.items) as context:
        family.fit(split, context)
    family.observe(split.test.histories)
    return ndcg_at_10(family.scorer(), split.test)


def page(figures: dict[str, Any]) -> str:
    families = figures["families"]
    names = list(next(iter(families.values())))
    epsilons = [name for name in names if name != "none"]
    rows = [
        [f"`{family}`", *(_cell(found[each]) for each in (*epsilons, "none"))]
        for family, found in families.items()
    ]
    shop = figures["shop"]
    return "\n\n".join(
        [
            HEAD.strip(),
            f"Delta {figures['delta']:g}; {shop['users']:,} users, {shop['items']:,} items, "
            f"{shop['events']:,} events; {figures['users']} users evaluated; fits a figure: "
            f"{figures['draws']}.",
            grid(["family", *(f"ε = {each}" for each in epsilons), "without privacy"], rows),
        ]
    )


def _cell(values: list[float]) -> str:
    mean = f"{np.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} [{min(values):.4f}, {max(values):.4f}]"
