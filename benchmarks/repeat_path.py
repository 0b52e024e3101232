"""What each part of the repeat path is worth, on the live snapshot's validation window.

The head is fitted again without the features of a part, to the same states. Nothing here looks at
the test window.
"""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings
from training.configs import main_job
from training.data.histories import read_dataset
from training.data.split import Split, split_by_time
from training.evaluation.metrics.full_ranking import Scorer, evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.fitting.factory import make_ranker
from training.layers.sequences.own_items import OWN_FEATURES
from training.layers.sequences.repeat import FEATURES, Head, Lists, RepeatFamily

TITLE = "Repeat path"
FAMILY, BASELINE = "hstu", "personal_frequency"
PARTS = {
    "without the user's own frequency and recency": slice(0, OWN_FEATURES),
    "without the item's features": slice(OWN_FEATURES + 1, FEATURES - 2),
    "without the state's score": slice(FEATURES - 2, FEATURES - 1),
    "without the nearness to all own items": slice(FEATURES - 1, FEATURES),
}
HEAD = """NDCG@10 on the validation window, all items and items new to the user. The gain is over
`personal_frequency`, all items, paired, user by user. `without` a part: the head is fitted without
these features. Seconds are of the whole fit, or of the head's alone.
"""


class AblatedHead(Head):
    """A head that doesn't read some of the features."""

    def __init__(self, hidden: int, without: slice) -> None:
        super().__init__(hidden)
        self.without = without

    def forward(self, lists: Lists) -> torch.Tensor:
        read_BCF = lists.features_BCF.clone()
        read_BCF[:, :, self.without] = self.mean_F[self.without]
        return super().forward(replace(lists, features_BCF=read_BCF))


def measure(settings: Settings) -> dict[str, Any]:
    return {"rows": isolated("repeat_path:rows").value}


def rows() -> list[dict[str, Any]]:
    """The baseline, the family, its parts and its states alone, in this process."""
    settings = Settings()
    dataset = read_dataset(Snapshot.live(settings))
    split = split_by_time(dataset.histories)
    baseline = make_ranker(BASELINE, main_job(BASELINE))
    family = make_ranker(FAMILY, main_job(FAMILY))
    if not isinstance(family, RepeatFamily):
        raise UsageError(f"{FAMILY} has no repeat path", "set `repeat` in its config")
    torch.manual_seed(settings.seed)
    found: list[dict[str, Any]] = []

    def add(what: str, score: Scorer, seconds: float) -> None:
        found.append(_row(what, score, split, seconds))

    for what, model in ((BASELINE, baseline), (FAMILY, family)):
        with training_context(split.validation, dataset.items, settings.seed) as context:
            model.fit(split, context)
            add(what, model.scores, context.budget.cpu_spent)
    add(f"{FAMILY}, its states alone", family.model.scores, 0.0)
    with training_context(split.validation, dataset.items, settings.seed) as context:
        lists = family.examples(split.train, context)
    family.observe(split.train)
    for what, without in PARTS.items():
        with training_context(split.validation, dataset.items, settings.seed) as context:
            torch.manual_seed(settings.seed)
            head = AblatedHead(family.repeat.hidden, without)
            family.fit_head(head, lists, context)
            add(what, family.scores, context.budget.cpu_spent)
    first_U = np.array(found[0]["values"])
    return [
        {name: value for name, value in row.items() if name != "values"}
        | {"gain": asdict(bootstrap(np.array(row["values"]) - first_U, 0))}
        for row in found
    ]


def _row(what: str, score: Scorer, split: Split, seconds: float) -> dict[str, Any]:
    values = {
        population: one.values["ndcg@10"]
        for population, one in evaluate_window(score, split.validation).items()
    }
    return {
        "what": what,
        **{population: asdict(bootstrap(values_U, 0)) for population, values_U in values.items()},
        "seconds": round(seconds, 1),
        "values": values["all"].tolist(),
    }


def page(figures: dict[str, Any]) -> str:
    cells = [
        [
            row["what"],
            interval(row["all"]),
            interval(row["new"]),
            interval(row["gain"], sign="+"),
            f"{row['seconds']:.0f}" if row["seconds"] else "",
        ]
        for row in figures["rows"]
    ]
    head = ["", "all items", "new items", "gain over the baseline", "CPU s"]
    return "\n".join([HEAD, grid(head, cells)])
