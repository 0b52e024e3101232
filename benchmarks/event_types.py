"""Every event type against purchases alone: the same families on views, carts and purchases.

Data: the RetailRocket log as kg-mber carries it, ``events.csv.gz`` (user_id, item_id, event, ts)
and ``test_buy.csv``, one purchase held out for each user, in the folder PENCHANT_EVENT_TYPES_DATA.
A user's last purchase in the log is the validation item; everything after it, and every event of
the user with it, is left out. Held-out purchases have no time, so each user's clock is moved until
the last event is an hour before the window. Items that a user viewed, put in the cart or bought are
masked for both sides: no test item has an event of its user.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import torch

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.errors import UsageError
from penchant.interactions import EVENT_TYPES
from penchant.settings import Settings
from training.data.catalogue import numbered
from training.data.histories import DAY, Histories, IntArray, starts
from training.data.split import Split, Window
from training.evaluation.metrics.full_ranking import Scorer, evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.families import ease, hstu, item_cf, matrix_factorization, sasrec
from training.fitting.context import TrainingContext
from training.fitting.factory import make_ranker
from training.layers.sequences.next_item import main_job_learning

TITLE = "Every event type"
NAMES = {"view": "view", "cart": "cart", "buy": "purchase"}
HOUR = 3600
END = 1000 * DAY  # of every user's clock
LEARNING = replace(
    main_job_learning(),
    every_type=True,
    min_events=2,
    epochs=30.0,
    trainer=replace(main_job_learning().trainer, steps=600),
)
CONFIGS: dict[str, Callable[[], Any]] = {
    "item_cf": lambda: item_cf.Config(min_buyers=1, shrinkage=3.0),
    "ease": lambda: ease.Config(
        regularization=100.0,
        windows=30,
        window_days=2.0,
        together=1.0,
        min_buyers=1,
        most_items=4000,
    ),
    "matrix_factorization": lambda: matrix_factorization.Config(min_buyers=1, sweeps=5),
    "sasrec": lambda: sasrec.Config(learning=LEARNING),
    "hstu": lambda: hstu.Config(learning=LEARNING, repeat=None),
}
"""Both sides have the same config; strengths of event types are tuned on validation."""
HEAD = """Families fitted on purchases alone and on views, carts and purchases of {users:,} users
and {items:,} items (RetailRocket subset). One held-out purchase a user; full ranking; NDCG@10. The
gain is paired, user by user. Strengths of event types are those that validated best.
"""


@dataclass(frozen=True)
class Log:
    """The log as rows: users from 0, items from 0, places in ``EVENT_TYPES``, seconds."""

    user_N: IntArray
    item_N: IntArray
    type_N: IntArray
    time_N: IntArray
    bought_U: IntArray
    item_count: int


def measure(settings: Settings) -> dict[str, Any]:
    if settings.event_types_data is None:
        raise UsageError(
            "PENCHANT_EVENT_TYPES_DATA is not set",
            "set it to the folder with events.csv.gz and test_buy.csv",
        )
    folder = str(settings.event_types_data)
    rows = [
        isolated("event_types:compared", folder=folder, family=family).value for family in CONFIGS
    ]
    log = read_log(settings.event_types_data)
    return {"users": len(log.bought_U), "items": log.item_count, "rows": rows}


def compared(folder: str, family: str) -> dict[str, Any]:
    """One family on purchases alone and on all event types, in this process."""
    log = read_log(Path(folder))
    split = split_of(log)
    ndcg, seconds, tuned = {}, {}, {}
    for side, given in (("purchases", _purchases(split)), ("every type", split)):
        with training_context(given.validation, numbered(log.item_count)) as context:
            model = make_ranker(family, CONFIGS[family]())
            model.fit(given, MaskedContext.of(context, split.train))
            seconds[side] = round(context.budget.cpu_spent, 1)
        tuned[side] = model.tuned
        model.observe(given.test.histories)
        scorer = masked(model.scores, split.test.histories)
        ndcg[side] = evaluate_window(scorer, given.test, ("new",))["new"].values["ndcg@10"]
    gain_U = ndcg["every type"] - ndcg["purchases"]
    return {
        "family": family,
        "tuned": tuned["every type"],
        "seconds": seconds,
        **{side: asdict(bootstrap(values_U, 0)) for side, values_U in ndcg.items()},
        "gain": asdict(bootstrap(gain_U, 0)),
    }


@dataclass(frozen=True)
class MaskedContext(TrainingContext):
    """A context that validates as the test does. ``seen``: events of every type, of all users."""

    seen: Histories | None = None

    @classmethod
    def of(cls, context: TrainingContext, seen: Histories) -> "MaskedContext":
        given = {each.name: getattr(context, each.name) for each in fields(context)}
        return cls(**given | {"population": "new", "seen": seen})

    def validate(self, score: Scorer) -> float:
        assert self.seen is not None
        return super().validate(masked(score, self.seen))


def masked(score: Scorer, seen: Histories) -> Scorer:
    """A scorer that never ranks an item with which its user has an event of any type."""
    every_type = seen.every_type()

    def scores(batch: Histories) -> torch.Tensor:
        scores_BI = score(batch)
        past = every_type.take(batch.users_U)
        scores_BI[torch.from_numpy(past.rows_N), torch.from_numpy(past.items_N).long()] = -torch.inf
        return scores_BI

    return scores


def read_log(folder: Path) -> Log:
    """Raises UsageError where a file is missing."""
    for name in ("events.csv.gz", "test_buy.csv"):
        if not (folder / name).is_file():
            raise UsageError(
                f"PENCHANT_EVENT_TYPES_DATA: {folder / name} does not exist",
                "set it to the folder with events.csv.gz and test_buy.csv",
            )
    events = pa_csv.read_csv(folder / "events.csv.gz")
    held_out = pa_csv.read_csv(folder / "test_buy.csv").sort_by("user_id")
    places = [EVENT_TYPES.index(NAMES[name]) for name in events["event"].to_pylist()]
    items = pc.unique(
        pa.concat_arrays([events["item_id"].combine_chunks(), held_out["item_id"].combine_chunks()])
    )
    items = items.sort()
    return Log(
        events["user_id"].to_numpy(),
        pc.index_in(events["item_id"], items).to_numpy().astype(np.int64),
        np.array(places),
        events["ts"].to_numpy(),
        pc.index_in(held_out["item_id"], items).to_numpy().astype(np.int64),
        len(items),
    )


def split_of(log: Log) -> Split:
    """Train and validate without the last purchases; test on those held out."""
    users = len(log.bought_U)
    purchase_N = log.type_N == 0
    order_N = np.lexsort((log.time_N, log.user_N))
    order_N = order_N[purchase_N[order_N]]
    last_U = np.full(users, -1)
    last_U[log.user_N[order_N]] = order_N  # of repeated rows the last is kept
    several_U = np.bincount(log.user_N[purchase_N], minlength=users) > 1
    last_U[~several_U] = -1
    until_U = np.where(last_U < 0, np.iinfo(np.int64).max, log.time_N[last_U])
    item_U = np.where(last_U < 0, -1, log.item_N[last_U])
    known_N = (log.time_N < until_U[log.user_N]) & (log.item_N != item_U[log.user_N])
    train = _histories(log, known_N)
    held_U = np.flatnonzero(last_U >= 0)
    validation = Window(train, _targets(train, held_U, item_U[held_U]))
    whole = _histories(log, np.ones(len(log.user_N), bool))
    return Split(train, validation, Window(whole, _targets(whole, np.arange(users), log.bought_U)))


def _histories(log: Log, kept_N: np.ndarray) -> Histories:
    users = len(log.bought_U)
    user_N, time_N = log.user_N[kept_N], log.time_N[kept_N]
    last_U = np.zeros(users, np.int64)
    np.maximum.at(last_U, user_N, time_N)
    shifted_N = time_N - last_U[user_N] + END - HOUR
    order_N = np.lexsort((log.type_N[kept_N], shifted_N, user_N))
    every_type = Histories(
        np.arange(users),
        starts(np.bincount(user_N, minlength=users)),
        log.item_N[kept_N][order_N].astype(np.int32),
        shifted_N[order_N],
        np.ones(len(order_N), np.float32),
        log.item_count,
        END,
        log.type_N[kept_N][order_N].astype(np.int8),
    )
    purchase_N = every_type.places_N == 0
    return replace(every_type.only(purchase_N), others=every_type.only(~purchase_N))


def _targets(histories: Histories, users_B: IntArray, items_B: IntArray) -> Histories:
    """One purchase at the end of each of some users' clocks."""
    lengths_U = np.bincount(users_B, minlength=len(histories))
    ones_B = np.ones(len(users_B), np.float32)
    times_B = np.full(len(users_B), END)
    return Histories(
        histories.users_U,
        starts(lengths_U),
        items_B.astype(np.int32),
        times_B,
        ones_B,
        histories.item_count,
        END + DAY,
    )


def _purchases(split: Split) -> Split:
    """The same split without the other event types."""

    def alone(histories: Histories) -> Histories:
        return replace(histories, others=None)

    validation, test = (
        Window(alone(window.histories), window.targets) for window in (split.validation, split.test)
    )
    return Split(alone(split.train), validation, test)


def page(figures: dict[str, Any]) -> str:
    rows = [
        [
            f"`{row['family']}`",
            interval(row["purchases"]),
            interval(row["every type"]),
            interval(row["gain"], sign="+"),
            ", ".join(
                f"{name.removeprefix('strength_')} {value:g}"
                for name, value in row["tuned"].items()
                if name.startswith("strength_")
            ),
            f"{row['seconds']['purchases']:.0f}, {row['seconds']['every type']:.0f}",
        ]
        for row in figures["rows"]
    ]
    head = ["family", "purchases alone", "every type", "gain", "strengths", "fit, s"]
    better = sum(row["gain"]["low"] > 0 for row in figures["rows"])
    return "\n".join(
        [
            HEAD.format(**figures),
            grid(head, rows),
            "",
            f"{better} of {len(rows)} families gain by more than the paired interval.",
        ]
    )
