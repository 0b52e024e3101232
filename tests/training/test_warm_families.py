"""Every family that is declared to start warm does, in a fraction of the steps."""

from dataclasses import replace

import pytest
import torch

from benchmarks.fitting import training_context
from penchant.artifacts import RunRecord, Snapshot
from penchant.settings import Settings
from training.commands.train import run_id_for
from training.configs import config_for
from training.data.histories import read_dataset
from training.data.split import split_by_time
from training.fitting.factory import make_ranker
from training.fitting.parent import CannotStartWarm, Parent
from training.fitting.trainer import WARM_SHARE
from training.fitting.weights import read_weights
from training.names import STARTS_WARM

Trained = tuple[Settings, str]


@pytest.mark.parametrize("name", STARTS_WARM)
def test_family_starts_from_its_run(trained_once: Trained, name: str) -> None:
    settings, snapshot_id = trained_once
    run = settings.runs / snapshot_id / run_id_for(settings, snapshot_id, name)
    cold = RunRecord.read(RunRecord.path(run))
    dataset = read_dataset(Snapshot.open(settings, snapshot_id))
    split = split_by_time(dataset.histories)
    places_I = torch.arange(len(dataset.item_ids))
    parent = Parent(cold.run_id, read_weights(run / "model.safetensors"), places_I)
    family = make_ranker(name, config_for(settings, name))
    steps: list[int] = []
    with training_context(split.validation, dataset.items, users=dataset.users) as context:
        warm = replace(context, parent=parent, expect=steps.append)
        family.fit(split, warm)
        most = max(step for _, step, *_ in cold.curve)
        assert 1 <= steps[0] <= max(1, WARM_SHARE * most, most // 3)
        assert torch.isfinite(family.scores(split.test.histories)).all()
        broken = replace(parent, state={})
        with pytest.raises(CannotStartWarm):
            make_ranker(name, config_for(settings, name)).fit(
                split, replace(context, parent=broken)
            )
