"""Differential privacy: NDCG@10 against epsilon, on the live snapshot of the home and on a larger
simulated shop.

``--draws``: fits with fresh noise, for each family and epsilon; ``--learned-draws`` of families
that learn by gradient, which take minutes.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.fitting import training_context
from benchmarks.rows import grid
from benchmarks.simulated_histories import simulated_histories
from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.data.histories import Dataset, read_dataset
from training.data.split import Split, split_by_time
from training.evaluation.metrics.full_ranking import ndcg_at_10
from training.fitting.factory import default_config, make_ranker
from training.names import PRIVATE
from training.privacy.accounting import Guarantee

TITLE = "Differential privacy"
BY_GRADIENT = ("ncf",)
HEAD = """NDCG@10 over all items on the test window, for users with purchases in it, against the
epsilon that one run spends. Neighbouring data sets differ in one user, with all that the user did;
the [ledger](../privacy.md#the-ledger) composes runs. The column without privacy is the family as
the main job trains it, and brings its counts up to date; with privacy nothing after T1 is learned.
Noise was calibrated by Rényi divergences, which ask for 7 % more than the accountant of today.
A figure of several fits has the least and the greatest in brackets. The live snapshot is of
Complete Journey; the constants of `ease`, `item_cf` and `matrix_factorization` were chosen on its
validation window.

- `personal_frequency` learns only shares of items from others: it is the same at every epsilon.
  On the simulated shop it loses what it would have learned after T1, or tuned.
- `popularity` counts users in place of events with privacy: each has one vote in L2 norm.
- `ease` learns 100 items' weights with privacy; at epsilon 1 the noise is larger than they are.
- `item_cf` learns similarities of 100 items; most of its score is the user's own items. The
  similarities that less noise lets through lower its figure on Complete Journey.
- `matrix_factorization` has factors for 300 items alone: own items beyond them aren't ranked.
- `ncf` starts at random with privacy and has embeddings for 1,000 items alone. Random embeddings
  already match a user's own items: how much DP-SGD adds to them isn't measured. Its row is one fit
  of an earlier measurement, on the same data.
"""


def measure(
    settings: Settings,
    *,
    epsilons: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0),
    draws: int = 3,
    learned_draws: int = 1,
    users: int = 800,
    simulated_users: int = 20_000,
    simulated_items: int = 5_000,
) -> dict[str, Any]:
    """Mean NDCG@10 of each family at each epsilon, on at most ``users`` users of each shop."""
    shops = {
        "The live snapshot": read_dataset(Snapshot.live(settings)),
        "A simulated shop": simulated_histories(simulated_users, simulated_items, settings.seed),
    }
    fits = {name: learned_draws if name in BY_GRADIENT else draws for name in PRIVATE}
    guarantees = [Guarantee(epsilon, settings.dp_delta) for epsilon in epsilons]
    return {
        "delta": settings.dp_delta,
        "shops": {
            name: _measured(dataset, guarantees, fits, users, settings.seed)
            for name, dataset in shops.items()
        },
    }


def _measured(
    dataset: Dataset, guarantees: list[Guarantee], fits: dict[str, int], users: int, seed: int
) -> dict[str, Any]:
    split = split_by_time(dataset.histories, None)
    test = split.test.evaluated()
    rows = np.random.default_rng(seed).permutation(len(test.histories))[:users]
    split = replace(split, test=test.take(np.sort(rows)))
    families = {}
    for name, count in fits.items():
        if not count:
            continue
        figures = {"none": [_quality(name, None, split, dataset)]}
        for each in guarantees:
            figures[f"{each.epsilon:g}"] = [
                _quality(name, each, split, dataset) for _ in range(count)
            ]
        families[name] = figures
        print(name, figures, flush=True)
    return {
        "users": len(dataset.user_ids),
        "items": len(dataset.item_ids),
        "events": len(dataset.histories.items_N),
        "evaluated": len(rows),
        "families": families,
    }


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
    parts = [HEAD.strip(), f"Delta {figures['delta']:g} a run."]
    for name, shop in figures["shops"].items():
        parts += [
            f"## {name}",
            f"{shop['users']:,} users, {shop['items']:,} items, {shop['events']:,} events; "
            f"{shop['evaluated']} users evaluated.",
            _table(shop["families"]),
        ]
    return "\n\n".join(parts)


def _table(families: dict[str, dict[str, list[float]]]) -> str:
    names = list(next(iter(families.values())))
    epsilons = [name for name in names if name != "none"]
    rows = [
        [f"`{family}`", *(_cell(found[each]) for each in (*epsilons, "none"))]
        for family, found in families.items()
    ]
    return grid(["family", *(f"ε = {each}" for each in epsilons), "without privacy"], rows)


def _cell(values: list[float]) -> str:
    mean = f"{np.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} [{min(values):.4f}, {max(values):.4f}]"
