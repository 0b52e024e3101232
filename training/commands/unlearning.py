"""Whether the models of a snapshot without erased people have unlearned them.

A family of counts or in closed form (``Unlearns``) learns from the others' data what it would have
learned had the people never been there. That is verified in the other direction: from its earlier
run, which had learned from the people, their contributions are subtracted, and both models must
have the same state. All other families are trained again from nothing, which needs no comparison.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from penchant.artifacts import RunRecord, Snapshot
from penchant.artifacts.unlearning import UnlearnedRun, Unlearning
from penchant.errors import BudgetExceeded
from penchant.settings import Settings
from penchant.subjects import Subjects
from training.commands.train import context_for, interactions
from training.data.histories import Dataset, Histories, IntArray, read_dataset
from training.data.split import split_by_time
from training.fitting.budget import Budget
from training.fitting.capabilities import Unlearns
from training.fitting.factory import config_from_json, make_ranker
from training.fitting.family import Ranker, State
from training.fitting.progress import Recorder
from training.fitting.weights import read_weights
from training.names import UNLEARNS


def record_unlearning(settings: Settings) -> Unlearning | None:
    """Compare the models of the live snapshot with those from before the erasures that wait to be
    finished, and write the result once; None where nothing can be compared."""
    snapshot_id = settings.live_snapshot.current()
    waiting = [each for each in Subjects(settings).requests() if each.state == "cleaned"]
    affected = {snapshot for each in waiting for snapshot in each.affected}
    if snapshot_id is None or snapshot_id in affected:
        return None
    path = Unlearning.path(settings, snapshot_id)
    if path.exists():
        return Unlearning.read(path)
    earlier = [each for each in sorted(affected) if (settings.runs / each).is_dir()]
    if not earlier:
        return None
    after, before = Snapshot.open(settings, snapshot_id), Snapshot.open(settings, earlier[-1])
    current, runs_before = newest_runs(settings, after.id), newest_runs(settings, before.id)
    found = Unlearning(
        snapshot_id=after.id,
        runs=tuple(compared(settings, before, after)),
        untrained=tuple(sorted(runs_before.keys() - current.keys())),
    )
    found.write(path)
    return found


def compared(settings: Settings, before: Snapshot, after: Snapshot) -> Iterator[UnlearnedRun]:
    """The runs of ``after``, beside those of ``before``, whose data has more users."""
    earlier, current = newest_runs(settings, before.id), newest_runs(settings, after.id)
    families = [name for name in UNLEARNS if name in current]
    if not families:
        return
    data = Comparison.of(before, after)
    for name in families:
        yield _compared(settings, current[name], earlier.get(name), data)


def _compared(
    settings: Settings, run: RunRecord, earlier: RunRecord | None, data: "Comparison"
) -> UnlearnedRun:
    found = UnlearnedRun(family=run.family, run_id=run.run_id, before=None)
    if earlier is None:
        return found.model_copy(update={"why_not": "it has no earlier run"})
    found = found.model_copy(update={"before": earlier.run_id})
    if why_not := _why_not(run, earlier, data):
        return found.model_copy(update={"why_not": why_not})
    try:
        figures = _figures(settings, earlier, run, data)
    except BudgetExceeded as error:  # no reason to keep the request open
        return found.model_copy(update={"why_not": error.cause})
    return found.model_copy(update=figures)


@dataclass(frozen=True)
class Comparison:
    """``gone_B``: rows in ``earlier`` of the users that ``current`` doesn't have. ``why_not``: why
    the models of both can't be compared."""

    before: Snapshot
    earlier: Dataset
    current: Dataset
    gone_B: IntArray
    why_not: str | None

    @classmethod
    def of(cls, before: Snapshot, after: Snapshot) -> "Comparison":
        earlier, current = read_dataset(before), read_dataset(after)
        is_gone_U = ~np.isin(earlier.user_ids, current.user_ids)
        rest = earlier.histories.take(np.flatnonzero(~is_gone_U))
        same_users = tuple(np.array(earlier.user_ids)[~is_gone_U]) == current.user_ids
        why_not = None
        if before.as_of != after.as_of:
            why_not = f"its data ends at {after.as_of:%F %T}, the earlier at {before.as_of:%F %T}"
        elif earlier.item_ids != current.item_ids:
            why_not = "the catalogue has changed since"
        elif not (same_users and _same_events(rest, current.histories)):
            why_not = "data of other people has landed or changed since"
        return cls(before, earlier, current, np.flatnonzero(is_gone_U), why_not)


def newest_runs(settings: Settings, snapshot_id: str) -> dict[str, RunRecord]:
    """The last run of each family on a snapshot."""
    paths = (settings.runs / snapshot_id).glob("*/run.json")
    records = [
        RunRecord.read(path) for path in sorted(paths, key=lambda path: path.stat().st_mtime)
    ]
    return {record.family: record for record in records}


def _why_not(run: RunRecord, earlier: RunRecord, data: Comparison) -> str | None:
    if run.privacy or earlier.privacy:
        return "it was trained under differential privacy"
    if (run.config, run.code_version) != (earlier.config, earlier.code_version):
        return "the family's configuration or code has changed since"
    return data.why_not


def _figures(
    settings: Settings, earlier: RunRecord, run: RunRecord, data: Comparison
) -> dict[str, float | None]:
    """Differences of the earlier model from the fitted one, as fields of ``UnlearnedRun``."""
    subtracted, fitted = _loaded(settings, earlier), _loaded(settings, run).state()
    assert isinstance(subtracted, Unlearns), f"{run.family} is not what training/names.py says"
    before = difference(subtracted.state(), fitted)
    split = split_by_time(data.earlier.histories)
    recorder = Recorder(run.family, Budget.of(settings, interactions(data.before)))
    context = context_for(settings, data.before, data.earlier, split, recorder, earlier.run_id)
    subtracted.tuned = dict(run.tuned)  # values too that were tuned without the people
    subtracted.unlearn(split, data.earlier.histories, data.gone_B, context)
    return {
        "contributed": before,
        "difference": difference(subtracted.state(), fitted),
        "rounding": subtracted.rounding,
    }


def difference(first: State, second: State) -> float | None:
    """The largest difference of a value, relative to the largest of its tensor; None between
    tensors of different shapes."""
    found = 0.0
    for name, expected in second.items():
        values, wanted = (torch.nan_to_num(each.double()) for each in (first[name], expected))
        if values.shape != wanted.shape:
            return None
        if wanted.numel():
            largest = max(float(wanted.abs().max()), float(np.finfo(np.float32).tiny))
            found = max(found, float((values - wanted).abs().max()) / largest)
    return found


def _loaded(settings: Settings, run: RunRecord) -> Ranker:
    config = config_from_json(run.family, json.dumps(run.config).encode())
    family = make_ranker(run.family, config)
    path = settings.runs / run.snapshot_id / run.run_id / "model.safetensors"
    family.load_state(read_weights(path))
    return family


def _same_events(first: Histories, second: Histories) -> bool:
    """Whether users have the same events, whatever rows they are in."""
    if (first.others is None) != (second.others is None):
        return False
    if first.others and second.others and not _same_events(first.others, second.others):
        return False
    arrays: Sequence[str] = ("starts_U1", "items_N", "times_N", "weights_N", "places_N")
    return first.end == second.end and all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in arrays
    )
