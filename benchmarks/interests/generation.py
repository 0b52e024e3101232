"""Synthetic histories: utility, two-sample test against real ones, variety and privacy.

The families that generate, beside two generators that need no model, and beside ``gan`` as it is
before its rounds, which says what those add. On Complete Journey, three seeds; each fit and each
evaluation is a process of its own. See training/evaluation/generation.py for what is evaluated.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.isolated import apart
from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.configs import main_job
from training.data.histories import Histories, read_dataset
from training.data.split import Split, split_by_time
from training.evaluation import generation
from training.evaluation.context import EvaluationContext
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.factory import make
from training.fitting.family import Family, State
from training.layers.generation.deduplication import HistorySampler
from training.layers.generation.draws import sample_distinct
from training.layers.generation.temporal_profile import Schedule

TITLE = "What would a user like this do?"
SEEDS = (0, 1, 2)
TUNING_USERS = 400
MADE, USERS = 400, 800  # histories; users of the test window who are asked about
SECONDS, MEMORY_MB = 900, 16_000


@dataclass(frozen=True)
class NoConfig:
    """There is nothing to set."""


class Independent(Family):
    """Each event is sampled by popularity, whoever the user is."""

    rejected = 0

    def __init__(self, config: object) -> None:
        super().__init__(config)

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.sampler = HistorySampler.of(split.train)
        self.weights_1I = torch.from_numpy(split.train.counts_I()[None].astype(np.float32))

    def generate(self, count: int, seed: int) -> Histories:
        made, self.rejected = self.sampler.generate(self.fill, count, seed)
        return made

    def fill(self, schedule: Schedule, generator: torch.Generator) -> torch.Tensor:
        rows_V = torch.zeros(len(schedule.sizes_V), dtype=torch.long)
        sizes_V = torch.from_numpy(schedule.sizes_V)
        return sample_distinct(self.weights_1I, rows_V, sizes_V, generator)

    def state(self) -> State:
        return {}

    def load_state(self, state: State) -> None:
        """There is none."""


class MarkovChain(Independent):
    """Each event follows the one before it as some event of the data did, of any user; the first
    is drawn by popularity."""

    def fit(self, split: Split, context: TrainingContext) -> None:
        super().fit(split, context)
        train = split.train
        follows_N = np.flatnonzero(np.diff(train.rows_N) == 0)
        order_N = np.argsort(train.items_N[follows_N], kind="stable")
        self.next_N = torch.from_numpy(train.items_N[follows_N + 1][order_N].astype(np.int64))
        counts_I = np.bincount(train.items_N[follows_N], minlength=train.item_count)
        self.starts_I = torch.from_numpy(np.cumsum(counts_I) - counts_I)
        self.counts_I = torch.from_numpy(counts_I)

    def fill(self, schedule: Schedule, generator: torch.Generator) -> torch.Tensor:
        lengths_B = torch.from_numpy(schedule.lengths_B)
        begin_B = lengths_B.cumsum(0) - lengths_B
        items_N = super().fill(schedule, generator)  # where the chain ends, it starts anew
        for place in range(1, int(lengths_B.max())):
            now_A = begin_B[lengths_B > place] + place
            before_A = items_N[now_A - 1]
            level_A = torch.rand(len(now_A), generator=generator, dtype=torch.double)
            chosen_A = self.starts_I[before_A] + (level_A * self.counts_I[before_A]).long()
            follows_A = self.counts_I[before_A] > 0
            items_N[now_A[follows_A]] = self.next_N[chosen_A[follows_A]]
        return items_N


def contestant(name: str) -> Family:
    """A family that isn't fitted yet."""
    if name == "independent draws":
        return Independent(NoConfig())
    if name == "Markov chain":
        return MarkovChain(NoConfig())
    if name == "gan, by likelihood":
        config = main_job("gan")
        return make("gan", replace(config, adversarial=replace(config.adversarial, rounds=0)))
    return make(name, main_job(name))


CONTESTANTS = ("independent draws", "Markov chain", "vae", "gan, by likelihood", "gan")


def measure(settings: Settings) -> dict[str, Any]:
    """Raises UsageError where there is no snapshot."""
    snapshot_id = Snapshot.live(settings).id
    found: dict[str, Any] = {}
    for name in CONTESTANTS:
        found[name] = []
        for seed in SEEDS:
            done = apart("generation:evaluated", snapshot_id=snapshot_id, name=name, seed=seed)
            found[name].append(done.value | {"seconds": done.seconds, "peak_mb": done.peak_mb})
            print(f"  {name}, seed {seed}: {done.value['headline']}", flush=True)
    return {"snapshot_id": snapshot_id, "families": found}


def evaluated(snapshot_id: str, name: str, seed: int) -> dict[str, Any]:
    """The evaluator's metrics of a contestant, and ``tuned``."""
    dataset = read_dataset(Snapshot.open(Settings(), snapshot_id))
    split = split_by_time(dataset.histories)
    evaluated = split.validation.evaluated()
    rows = np.random.default_rng(seed).permutation(len(evaluated.histories))[:TUNING_USERS]
    family = contestant(name)
    with TemporaryDirectory(prefix="penchant-bench-") as folder:
        context = TrainingContext(
            evaluated.take(np.sort(rows)),
            dataset.items,
            torch.device("cpu"),
            seed,
            Budget(SECONDS, MEMORY_MB),
            Path(folder),
            users=dataset.users,
        )
        torch.manual_seed(seed)
        family.fit(split, context)
        fitted = context.budget.spent
        context = EvaluationContext(dataset, split, context, Path(folder), seed)
        figures = generation.evaluate(family, context, generation.Config(made=MADE, users=USERS))
    return figures | {"fit_seconds": round(fitted, 1), "tuned": family.tuned}


def page(figures: dict[str, Any]) -> str:
    families = {name: figures["families"][name] for name in CONTESTANTS}  # JSON is sorted
    seeds = len(next(iter(families.values())))
    real = next(iter(families.values()))[0]["diversity"]["real"]
    use = [
        [
            _over(runs, "utility", "ranking", "difference", digits=4, sign="+"),
            _over(runs, "utility", "interests", "difference", digits=4, sign="+"),
            _over(runs, "two_sample_auc", "items"),
            _over(runs, "two_sample_auc", "all"),
        ]
        for runs in families.values()
    ]
    variety = [
        [_mean(runs, "diversity", "synthetic", name, digits=digits) for name, digits in VARIETY]
        for runs in families.values()
    ]
    privacy = [
        [
            _over(runs, "privacy", "membership_auc"),
            _over(runs, "privacy", "nearest_ratio"),
            str(sum(run["privacy"]["copies"] for run in runs)),
            str(sum(run["privacy"]["rejected"] for run in runs)),
            _mean(runs, "fit_seconds", digits=0),
            _mean(runs, "seconds", digits=0),
            _mean(runs, "peak_mb", digits=0),
        ]
        for runs in families.values()
    ]
    return "\n\n".join(
        [
            f"Complete Journey, {seeds} seeds, {real_count(families)} synthetic users each. Means "
            "over seeds; in brackets the lowest and the highest bound of their 95 % intervals.",
            "**Utility and two-sample test.** What `ease` gains in NDCG@10, and a logistic "
            "regression of interests in log loss (less is better), on real users when synthetic "
            "users are added to the real training users; then the AUC of trees that "
            "classify synthetic against real, by items, and by items and times.",
            _table(["NDCG@10", "log loss", "AUC, items", "AUC, all"], families, use),
            "**Variety.** Distinct pairs of consecutive items, items in any history, entropy in "
            "nats, share of events that repeat an item of the history, mean cosine to the most "
            "similar other history.",
            _table(
                list(VARIETY_TITLES),
                {"real": [], **families},
                [[f"{real[name]:,.{digits}f}" for name, digits in VARIETY], *variety],
            ),
            "**Privacy.** Trained on a part of the users: the AUC of membership inference by the "
            "distance to the nearest synthetic history, and the ratio of these distances (1: no "
            "difference). Independent draws hold no history, so their value is due to the split. "
            "Copies equal a real history; rejected ones were drawn again.",
            _table(
                list(PRIVACY_TITLES),
                families,
                privacy,
            ),
            summary(families),
        ]
    )


VARIETY = (
    ("distinct_2", 3),
    ("items", 0),
    ("item_entropy", 2),
    ("category_entropy", 2),
    ("bought_before", 3),
    ("nearest_other", 3),
)
PRIVACY_TITLES = (
    "membership AUC",
    "nearest, ratio",
    "copies",
    "rejected",
    "fit, s",
    "all, s",
    "MB",
)
VARIETY_TITLES = (
    "distinct pairs",
    "items",
    "item entropy",
    "category entropy",
    "repeats",
    "similarity",
)


def real_count(families: dict[str, list[dict[str, Any]]]) -> int:
    return int(next(iter(families.values()))[0]["histories"])


def summary(families: dict[str, list[dict[str, Any]]]) -> str:
    """What the figures say, whichever way they fall."""
    helped = [
        name
        for name, runs in families.items()
        if all(run["utility"]["ranking"]["difference"]["low"] > 0 for run in runs)
    ]
    rounds = ", ".join(str(round(run["tuned"]["rounds"])) for run in families["gan"])
    distances = [
        sum(run["tuned"][name] for run in families["gan"]) / len(families["gan"])
        for name in ("distance_by_likelihood", "distance_by_reward")
    ]
    first = (
        f"A ranker gains in every seed from: {', '.join(helped)}."
        if helped
        else "Augmentation does not help a ranker: no interval is above nothing in every seed."
    )
    return (
        f"{first} The rounds of `gan` that were kept, by seed: {rounds}; they bring the energy "
        f"distance to users that they have not seen from {distances[0]:.4f} to "
        f"{distances[1]:.4f}."
    )


def _table(
    columns: list[str], families: dict[str, list[dict[str, Any]]], rows: list[list[str]]
) -> str:
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in zip(families, rows, strict=True)]
    return "\n".join(lines)


def _of(run: dict[str, Any], path: tuple[str, ...]) -> Any:
    for name in path:
        run = run[name]
    return run


def _mean(runs: list[dict[str, Any]], *path: str, digits: int = 3) -> str:
    return f"{sum(_of(run, path) for run in runs) / len(runs):,.{digits}f}"


def _over(runs: list[dict[str, Any]], *path: str, digits: int = 3, sign: str = "") -> str:
    found = [_of(run, path) for run in runs]
    mean = sum(one["mean"] for one in found) / len(found)
    low, high = min(one["low"] for one in found), max(one["high"] for one in found)
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"
