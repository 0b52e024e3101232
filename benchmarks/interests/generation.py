"""Synthetic histories: utility, two-sample tests, diversity and privacy of generative families.

The families that generate, beside two generators without a model, and beside ``gan`` before its
adversarial rounds. On Complete Journey, three seeds; each is a process of its own. For the metrics
see training/evaluation/generation.py.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
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
HISTORIES, USERS = 400, 800  # synthetic; most users of the test window that are evaluated on


class Independent(Family):
    """Samples each event by popularity, independently of the user."""

    rejected = 0

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.fit_generator(split, context)

    def fit_generator(self, split: Split, context: TrainingContext) -> None:
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
        """Nothing to load."""


class MarkovChain(Independent):
    """Samples each event from those that followed the one before it in the data; the first by
    popularity."""

    def fit_generator(self, split: Split, context: TrainingContext) -> None:
        super().fit_generator(split, context)
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
        items_N = super().fill(schedule, generator)  # used where the chain ends
        for place in range(1, int(lengths_B.max())):
            now_A = begin_B[lengths_B > place] + place
            before_A = items_N[now_A - 1]
            level_A = torch.rand(len(now_A), generator=generator, dtype=torch.double)
            next_A = self.starts_I[before_A] + (level_A * self.counts_I[before_A]).long()
            follows_A = self.counts_I[before_A] > 0
            items_N[now_A[follows_A]] = self.next_N[next_A[follows_A]]
        return items_N


GENERATORS = ("independent draws", "Markov chain", "vae", "gan, by likelihood", "gan")


def generator_of(name: str) -> Family:
    """A generator that isn't fitted yet."""
    if name == "independent draws":
        return Independent(None)
    if name == "Markov chain":
        return MarkovChain(None)
    if name == "gan, by likelihood":
        config = main_job("gan")
        return make("gan", replace(config, adversarial=replace(config.adversarial, rounds=0)))
    return make(name, main_job(name))


def measure(settings: Settings) -> dict[str, Any]:
    """Raises UsageError where there is no snapshot."""
    snapshot_id = Snapshot.live(settings).id
    found: dict[str, Any] = {name: [] for name in GENERATORS}
    for name in GENERATORS:
        for seed in SEEDS:
            arguments = {"snapshot_id": snapshot_id, "name": name, "seed": seed}
            done = isolated("interests.generation:evaluated", **arguments)
            found[name].append(done.value | {"seconds": done.seconds, "peak_mb": done.peak_mb})
            print(f"  {name}, seed {seed}: {done.value['headline']}", flush=True)
    return {"snapshot_id": snapshot_id, "families": found}


def evaluated(snapshot_id: str, name: str, seed: int) -> dict[str, Any]:
    """The evaluation's figures of a generator, and ``tuned``."""
    dataset = read_dataset(Snapshot.open(Settings(), snapshot_id))
    split = split_by_time(dataset.histories)
    window = split.validation.evaluated()
    rows = np.random.default_rng(seed).permutation(len(window.histories))[:TUNING_USERS]
    window, family, budget = window.take(np.sort(rows)), generator_of(name), Budget(900, 16_000)
    with training_context(window, dataset.items, seed, budget, users=dataset.users) as context:
        torch.manual_seed(seed)
        family.fit(split, context)
        fit_seconds = round(budget.spent, 1)
        evaluation = EvaluationContext(dataset, split, context, context.checkpoints, seed)
        config = generation.Config(made=HISTORIES, users=USERS)
        figures = generation.evaluate(family, evaluation, config)
    return figures | {"fit_seconds": fit_seconds, "tuned": family.tuned}


DIVERSITY = {
    "distinct_2": ("distinct pairs", 3),
    "items": ("items", 0),
    "item_entropy": ("item entropy", 2),
    "category_entropy": ("category entropy", 2),
    "bought_before": ("repeats", 3),
    "nearest_other": ("similarity", 3),
}


def page(figures: dict[str, Any]) -> str:
    families = {name: figures["families"][name] for name in GENERATORS}  # JSON is sorted
    first = next(iter(families.values()))
    real = first[0]["diversity"]["real"]
    utility = [
        [
            name,
            _over(runs, "utility", "ranking", "difference", digits=4, sign="+"),
            _over(runs, "utility", "interests", "difference", digits=4, sign="+"),
            _over(runs, "two_sample_auc", "items"),
            _over(runs, "two_sample_auc", "all"),
        ]
        for name, runs in families.items()
    ]
    diversity = [["real", *(f"{real[key]:,.{digits}f}" for key, (_, digits) in DIVERSITY.items())]]
    diversity += [
        [
            name,
            *(
                _mean(runs, "diversity", "synthetic", key, digits=digits)
                for key, (_, digits) in DIVERSITY.items()
            ),
        ]
        for name, runs in families.items()
    ]
    privacy = [
        [
            name,
            _over(runs, "privacy", "membership_auc"),
            _over(runs, "privacy", "nearest_ratio"),
            *(sum(run["privacy"][key] for run in runs) for key in ("copies", "rejected")),
            *(_mean(runs, key, digits=0) for key in ("fit_seconds", "seconds", "peak_mb")),
        ]
        for name, runs in families.items()
    ]
    costs = ["copies", "rejected", "fit, s", "all, s", "MB"]
    return "\n\n".join(
        [
            f"Complete Journey, {len(first)} seeds, {int(first[0]['histories'])} synthetic "
            "histories each. Means over seeds; brackets hold the lowest and the highest bound of "
            "their 95 % intervals.",
            "**Utility and two-sample tests.** The gain of a ridge regression from items to next "
            "items in NDCG@10, and of a logistic regression of interests in log loss (lower is "
            "better), on real users when synthetic histories are added to the training data; then "
            "the AUC of trees that classify "
            "synthetic against real, by items, and by items and times.",
            grid(["", "NDCG@10", "log loss", "AUC, items", "AUC, all"], utility),
            "**Diversity.** Distinct pairs of items in sequence, items in any history, entropy in "
            "nats, share of events that repeat an item of the history, mean cosine to the most "
            "similar other history.",
            grid(["", *(title for title, _ in DIVERSITY.values())], diversity),
            "**Privacy.** Fitted on some users only: the AUC of a membership test by the distance "
            "to the nearest synthetic history, and the ratio of these distances (1: no leak). "
            "Independent draws know no user: their values come from the split alone. Copies equal "
            "a real history; rejected ones were drawn again for that reason.",
            grid(["", "membership AUC", "nearest, ratio", *costs], privacy),
            _summary(families),
        ]
    )


def _summary(families: dict[str, list[dict[str, Any]]]) -> str:
    helped = [
        name
        for name, runs in families.items()
        if all(run["utility"]["ranking"]["difference"]["low"] > 0 for run in runs)
    ]
    gan = families["gan"]
    rounds = ", ".join(str(round(run["tuned"]["rounds"])) for run in gan)
    before, after = (
        _mean(gan, "tuned", f"distance_by_{by}", digits=4) for by in ("likelihood", "reward")
    )
    augmentation = (
        f"A ranker gains in every seed from: {', '.join(helped)}."
        if helped
        else "Augmentation does not improve a ranker significantly in every seed."
    )
    return (
        f"{augmentation} Rounds of `gan` that were kept, by seed: {rounds}; they change the energy "
        f"distance to unseen users from {before} to {after}."
    )


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
    return interval({"mean": mean, "low": low, "high": high}, digits, sign)
