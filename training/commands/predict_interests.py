"""What a user will act on next, as a family that is trained says it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penchant.artifacts import RunRecord, Snapshot
from penchant.errors import DataError, UsageError
from penchant.settings import Settings
from penchant.vault import Vault
from training.commands.train import run_id_for
from training.configs import config_for
from training.data.histories import read_dataset
from training.data.interest_labels import row_of
from training.fitting.capabilities import ClassifiesInterests
from training.fitting.factory import make
from training.fitting.weights import read_weights
from training.names import FAMILIES

BY = "auc_macro"  # on validation: of the family that is asked where none is named


@dataclass(frozen=True)
class Predicted:
    """``interests``: titles with their probability in the fortnight that ``begins`` on the day of
    the snapshot's end, most probable first. ``run_id``: of the family that says so."""

    user_id: str
    run_id: str
    begins: str
    interests: tuple[tuple[str, float], ...]

    def summary(self) -> str:
        lines = [f"{probability:6.1%}  {title}" for title, probability in self.interests]
        head = f"user {self.user_id}, in the fortnight from {self.begins}, by {self.run_id}:"
        return "\n".join([head, *lines])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def predict(
    settings: Settings,
    snapshot_id: str,
    user_id: str,
    most: int,
    family: str | None = None,
    category: str | None = None,
) -> Predicted:
    """The ``most`` probable interests of a user, or the one asked for.

    Raises UsageError for an unknown user or category, and where no family that classifies has a
    run on the snapshot; DataError where its catalogue has no interests.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    name, run, task = _run(settings, snapshot, family)
    titles = tuple(task["titles"])
    wanted = titles if category is None else (titles[row_of(category, titles, task["left_out"])],)
    dataset = read_dataset(snapshot)
    if user_id not in dataset.user_ids:
        known = dataset.user_ids[0]
        example = Vault(settings).reveal([known]).get(known, known)
        raise UsageError(
            f"no user {user_id!r} is in snapshot {snapshot_id}",
            f"pass the user_id as the source has it, such as {example!r}",
        )
    model = make(name, config_for(settings, name))
    assert isinstance(model, ClassifiesInterests)
    model.load_state(read_weights(run / "model.safetensors"))
    user = dataset.histories.take(np.array([dataset.user_ids.index(user_id)]))
    said = dict(zip(titles, model.interests(user)[0].tolist(), strict=True))
    found = sorted(((title, said[title]) for title in wanted), key=lambda one: -one[1])
    begins = f"{snapshot.as_of:%Y-%m-%d}"
    return Predicted(user_id, run.name, begins, tuple(found[:most]))


def _run(
    settings: Settings, snapshot: Snapshot, family: str | None
) -> tuple[str, Path, dict[str, Any]]:
    """The run that is asked, of a named family or of the best on validation, and its task."""
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for name in FAMILIES if family is None else (family,):
        run = settings.runs / snapshot.id / run_id_for(settings, snapshot.id, name)
        path = RunRecord.path(run)
        task = RunRecord.read(path).tasks.get("interests") if path.exists() else None
        if task is not None:
            found[name] = run, task
    if not found:
        if family and not isinstance(
            make(family, config_for(settings, family)), ClassifiesInterests
        ):
            raise UsageError(
                f"{family} does not tell interests", "name a family that does, such as 'vae'"
            )
        who = f"{family} has no run that tells" if family else "no run tells"
        raise UsageError(
            f"{who} interests on snapshot {snapshot.id}",
            f"run `penchant train --family {family or 'vae'} --snapshot {snapshot.id}` first",
        )
    told = {name: task for name, (_, task) in found.items() if "missing" not in task}
    if not told:
        task = next(iter(found.values()))[1]
        raise DataError(task["missing"], task["remedy"])
    best = max(told, key=lambda name: told[name]["validation_metrics"][BY]["mean"])
    return best, *found[best]
