"""What images add to `content`: on a simulated shop whose users like styles that no text names.

The same family is fitted with and without the items' image vectors, on the same split. The gain in
NDCG@10 is paired, user by user: on all test purchases, on those of items new to the user, and on
those of cold items, with at most three purchases before the test window, ranked among themselves.
One item in ten has no image. The control has vectors that belong to other items: they say which
item a user bought before, and nothing of what it is like, so they help with repeat purchases alone.
"""

from dataclasses import asdict
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
from training.families import content

TITLE = "Vectors"
SIZES = {"users": 1000, "items": 2000, "days": 180, "styles": 8}
COLD = 3  # purchases of an item before the window, at most
POPULATIONS = {"all items": "all", "items new to the user": "new"}
COLD_ITEMS = "cold items new to the user"
SIDES = ("text", "text and images", "text and other items' images")


def measure(settings: Settings) -> dict[str, Any]:
    tables = simulate(settings.seed, **SIZES)
    split, items = _split(tables)
    without = items.drop_columns([name for name in items.column_names if name.startswith(PREFIX)])
    sides = dict(zip(SIDES, (without, items, _shuffled(items, settings.seed)), strict=True))
    ndcg: dict[str, dict[str, np.ndarray]] = {name: {} for name in (*POPULATIONS, COLD_ITEMS)}
    for side, catalogue in sides.items():
        with training_context(split.validation, catalogue) as context:
            model = content.Model(content.Config())
            model.fit(split, context)
        model.observe(split.test.histories)
        found = evaluate_window(model.scores, split.test, tuple(POPULATIONS.values()))
        for name, population in POPULATIONS.items():
            ndcg[name][side] = found[population].values["ndcg@10"]
        window, scorer = _cold(split.test, model.scores)
        cold = evaluate_window(scorer, window, ("new",))["new"]
        ndcg[COLD_ITEMS][side] = cold.values["ndcg@10"]
    return {
        **SIZES,
        "purchases": len(split.test.histories.items_N),
        "rows": [
            {
                "targets": name,
                "users": len(values[SIDES[0]]),
                **{side: asdict(bootstrap(values[side], 0)) for side in SIDES},
                "gain": asdict(bootstrap(values[SIDES[1]] - values[SIDES[0]], 0)),
                "other gain": asdict(bootstrap(values[SIDES[2]] - values[SIDES[0]], 0)),
            }
            for name, values in ndcg.items()
        ],
    }


def page(figures: dict[str, Any]) -> str:
    rows = [
        [
            row["targets"],
            f"{row['users']:,}",
            *(interval(row[side]) for side in SIDES[:2]),
            interval(row["gain"], sign="+"),
            interval(row["other gain"], sign="+"),
        ]
        for row in figures["rows"]
    ]
    head = ["test purchases of", "users", *SIDES[:2], "gain", "gain of other items' images"]
    return "\n\n".join(
        [
            f"`content` on a simulated shop of {figures['users']:,} users, {figures['items']:,} "
            f"items and {figures['styles']} styles: NDCG@10 on the last 14 of {figures['days']} "
            f"days. A cold item had at most {COLD} purchases before; it is ranked among cold "
            "items.",
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
