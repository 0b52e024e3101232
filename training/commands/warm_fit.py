"""A fit from the weights of the run that a run starts from, or from nothing."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import structlog
import torch

from penchant.artifacts import RunRecord, Snapshot
from penchant.encryption import parquet as pq
from penchant.settings import Settings
from training.commands.starting import Start
from training.data.histories import Dataset, epoch
from training.data.split import Split, windows_of
from training.fitting.context import TrainingContext
from training.fitting.factory import make
from training.fitting.family import Family
from training.fitting.parent import NEW, CannotStartWarm, Parent
from training.fitting.weights import read_weights

log = structlog.get_logger()


def fitted(
    settings: Settings,
    family: Family,
    dataset: Dataset,
    split: Split,
    context: TrainingContext,
    start: Start,
) -> tuple[Family, Start]:
    """A family fitted from what it starts from, or cold where that doesn't fit its data."""
    if start.parent is None:
        if start.why_cold:
            log.info("fitting cold", why=start.why_cold)
        family.fit(split, context)
        return family, start
    try:
        parent = read_parent(settings, start.parent, dataset, split)
        log.info("fitting warm", parent=parent.run_id)
        family.fit(split, replace(context, parent=parent))
        return family, start
    except CannotStartWarm as error:
        log.info("fitting cold", why=error.cause)
        family = make(start.parent.family, family.config)
        family.fit(split, context)
        return family, Start(why_cold=error.cause)


def read_parent(settings: Settings, run: RunRecord, dataset: Dataset, split: Split) -> Parent:
    """The run that a fit starts from. Raises CannotStartWarm where it was fitted or tuned on events
    that this one is evaluated on, as in a shop's first weeks."""
    snapshot = Snapshot.open(settings, run.snapshot_id)
    earlier = dataset.histories.before(epoch(snapshot.as_of))
    validated_from, tested_from = windows_of(earlier)
    if validated_from > split.train.end or tested_from > split.test.histories.end:
        raise CannotStartWarm(f"{run.run_id} has learned from days that this run is evaluated on")
    items = pq.read_table(snapshot.mart("items"), columns=["item_id"]).sort_by("item_id")
    places = pc.index_in(pa.array(dataset.item_ids), items["item_id"].combine_chunks())
    weights = read_weights(settings.runs / snapshot.id / run.run_id / "model.safetensors")
    return Parent(run.run_id, weights, torch.tensor(places.fill_null(NEW).to_pylist()))
