"""What images add to families: on simulated shops whose users like styles that no text names.

The same family is fitted with and without the items' image vectors, on the same split. The gain in
NDCG@10 is paired, user by user: on all test purchases, on those of items new to the user, and on
those of cold items, with at most three purchases before the test window, ranked among themselves.
One item in ten has no image. ``content`` and the gate of ``fusion`` have texts on both sides; the
sequence families have the item's embedding alone, which rare items share. The control has vectors
that belong to other items: they say which item a user bought before, and nothing of what it is
like, so they help with repeat purchases alone. Users of all shops are pooled.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.fitting import training_context
from benchmarks.rows import grid, interval
from penchant.ingestion.sources.simulator import simulate
from penchant.settings import Settings
from training.data.histories import DAY, Histories, starts
from training.data.item_vectors import PREFIX, with_vectors
from training.data.split import Split, Window, split_by_time
from training.evaluation.metrics.full_ranking import Scorer, evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.fitting.factory import default_config, make_ranker

TITLE = "Vectors"
SIZES = {"users": 1000, "items": 2000, "days": 180, "styles": 8}
SHOPS = 3
COLD = 3  # purchases of an item before the window, at most
POPULATIONS = {"all items": "all", "items new to the user": "new"}
COLD_ITEMS = "cold items new to the user"
WITHOUT, WITH, OTHERS = "without", "with images", "with other items' images"
CONTROLLED = "content"  # the family of the control
FAMILIES: dict[str, Callable[[], Any]] = {
    CONTROLLED: lambda: default_config(CONTROLLED),
    "gru": lambda: default_config("gru"),
    "sasrec": lambda: default_config("sasrec"),
    "hstu": lambda: default_config("hstu"),
    "fusion": lambda: replace(default_config("fusion"), mode="gate"),
}
Values = dict[str, dict[str, list[np.ndarray]]]
"""Targets -> side -> NDCG@10 of the users of each shop."""


def measure(
    settings: Settings, *, families: str = ",".join(FAMILIES), shops: int = SHOPS
) -> dict[str, Any]:
    """``families``: comma-separated. ``shops``: simulated ones, each with its seed."""
    found = dict[str, Any]()
    for name in families.split(","):
        values: Values = {target: {} for target in (*POPULATIONS, COLD_ITEMS)}
        started = time.process_time()
        for seed in range(settings.seed, settings.seed + shops):
            _of_shop(name, seed, values)
        found[name] = {"cpu_seconds": time.process_time() - started, "rows": _rows(values)}
    return {**SIZES, "shops": shops, "families": found}


def _of_shop(name: str, seed: int, values: Values) -> None:
    tables = simulate(seed, **SIZES)
    split, items = _split(tables)
    users = pa.Table.from_pylist(tables["users"])
    without = items.drop_columns([name for name in items.column_names if name.startswith(PREFIX)])
    sides = {WITHOUT: without, WITH: items}
    if name == CONTROLLED:
        sides[OTHERS] = _shuffled(items, seed)
    for side, catalogue in sides.items():
        with training_context(split.validation, catalogue, seed, users=users) as context:
            model = make_ranker(name, FAMILIES[name]())
            model.fit(split, context)
        model.observe(split.test.histories)
        found = evaluate_window(model.scores, split.test, tuple(POPULATIONS.values()))
        for target, population in POPULATIONS.items():
            values[target].setdefault(side, []).append(found[population].values["ndcg@10"])
        window, scorer = _cold(split.test, model.scores)
        cold = evaluate_window(scorer, window, ("new",))["new"].values["ndcg@10"]
        values[COLD_ITEMS].setdefault(side, []).append(cold)


def _rows(values: Values) -> list[dict[str, Any]]:
    rows = []
    for target, sides in values.items():
        pooled = {side: np.concatenate(shops) for side, shops in sides.items()}
        gains = [
            with_ - without for with_, without in zip(sides[WITH], sides[WITHOUT], strict=True)
        ]
        row = {
            "targets": target,
            "users": len(pooled[WITHOUT]),
            **{side: asdict(bootstrap(pooled[side], 0)) for side in (WITHOUT, WITH)},
            "gain": asdict(bootstrap(np.concatenate(gains), 0)),
            "gains by shop": [float(gain.mean()) for gain in gains],
        }
        if OTHERS in pooled:
            row["other gain"] = asdict(bootstrap(pooled[OTHERS] - pooled[WITHOUT], 0))
        rows.append(row)
    return rows


def page(figures: dict[str, Any]) -> str:
    rows = [
        [
            name,
            row["targets"],
            f"{row['users']:,}",
            *(interval(row[side]) for side in (WITHOUT, WITH)),
            interval(row["gain"], sign="+"),
            ", ".join(f"{gain:+.4f}" for gain in row["gains by shop"]),
            interval(row["other gain"], sign="+") if "other gain" in row else "",
        ]
        for name, family in figures["families"].items()
        for row in family["rows"]
    ]
    head = ["family", "test purchases of", "users", WITHOUT, WITH, "gain", "by shop", "control"]
    seconds = ", ".join(
        f"{name} {family['cpu_seconds']:.0f}" for name, family in figures["families"].items()
    )
    return "\n\n".join(
        [
            f"{figures['shops']} simulated shops of {figures['users']:,} users, "
            f"{figures['items']:,} items and {figures['styles']} styles: NDCG@10 on the last 14 of "
            f"{figures['days']} days. A cold item had at most {COLD} purchases before; it is "
            "ranked among cold items. `fusion` is in the mode `gate`. The control has other items' "
            f"images. CPU seconds of all fits: {seconds}.",
            grid(head, rows),
        ]
    )


def _split(tables: dict[str, list[dict[str, Any]]]) -> tuple[Split, pa.Table]:
    """Purchases as histories, split by time, and the catalogue with its vectors."""
    items = pa.Table.from_pylist(tables["items"]).sort_by("item_id")
    row_of = {item: row for row, item in enumerate(items["item_id"].to_pylist())}
    user_of = {row["user_id"]: place for place, row in enumerate(tables["users"])}
    bought = [row for row in tables["events"] if row["event_type"] == "purchase"]
    user_N = np.array([user_of[row["user_id"]] for row in bought])
    time_N = np.array([row["event_at"] for row in bought], "datetime64[s]").astype(np.int64)
    order_N = np.lexsort((time_N, user_N))
    histories = Histories(
        np.arange(len(user_of)),
        starts(np.bincount(user_N, minlength=len(user_of))),
        np.array([row_of[row["item_id"]] for row in bought], np.int32)[order_N],
        time_N[order_N],
        np.ones(len(bought), np.float32),
        len(items),
        int(-(-time_N.max() // DAY) * DAY),
    )
    embeddings = pa.Table.from_pylist(tables["item_embeddings"])
    return split_by_time(histories), with_vectors(items, embeddings)


def _shuffled(items: pa.Table, seed: int) -> pa.Table:
    """Each item has the vectors of another."""
    order = np.random.default_rng(seed).permutation(len(items))
    columns = {
        name: items[name].take(order) if name.startswith(PREFIX) else items[name]
        for name in items.column_names
    }
    return pa.table(columns)


def _cold(window: Window, score: Scorer) -> tuple[Window, Scorer]:
    """Purchases of cold items alone, and a scorer that ranks cold items alone."""
    cold_I = window.histories.counts_I() <= COLD
    others_I = torch.from_numpy(~cold_I)

    def scores(batch: Histories) -> torch.Tensor:
        return score(batch).masked_fill(others_I, -torch.inf)

    return Window(window.histories, window.targets.only(cold_I[window.targets.items_N])), scores
