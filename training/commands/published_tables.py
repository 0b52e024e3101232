"""Published tables, reproduced: one family, one seed, under the protocol of the table.

Leave-one-out, full ranking, items that a user had masked; the files are those of S3-Rec (Zhou et
al. 2020), a user's folder. A run is a directory that is made once and holds the weights, so that a
combination of families needs no second fit.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import structlog
import torch
from safetensors.torch import load_file, save_file

from penchant.storage import STAGING_PREFIX, atomic_directory, write_json
from training.commands.run_identity import code_version
from training.configs import published
from training.data.catalogue import read_attributes
from training.data.leave_one_out import leave_one_out, read_sequences
from training.data.split import Split
from training.evaluation.metrics.full_ranking import Evaluation, evaluate_window
from training.fitting.budget import Budget, peak_memory
from training.fitting.context import TrainingContext
from training.fitting.factory import make_ranker
from training.fitting.family import Ranker

FILES = {"beauty": "Beauty", "sports": "Sports_and_Outdoors"}
NEW = ("new",)
SECONDS, MEMORY_MB = 4 * 3600.0, 12_000
TUNING_USERS = 6000  # of the validation window's, to stop early by; chosen by the seed

log = structlog.get_logger()


@dataclass(frozen=True)
class Table:
    """A published data set on disk. ``learn_validation``: its validation items are learned from."""

    folder: Path
    name: str
    learn_validation: bool = False

    def split(self) -> Split:
        return leave_one_out(
            read_sequences(self.folder / f"{FILES[self.name]}.txt"), self.learn_validation
        )

    def items(self, item_count: int) -> Any:
        return read_attributes(self.folder / f"{FILES[self.name]}_item2attributes.json", item_count)


def run(table: Table, family: str, seed: int, out: Path, config: Any = None) -> Path:
    """Fit a family on a table and evaluate it on validation; returns the run's directory.

    ``config``: None is the published one. The test item isn't looked at here.
    """
    config = published(table.name, family) if config is None else config
    final = out / run_id(table, family, seed, config)
    if final.exists():
        return final
    torch.manual_seed(seed)
    budget, split = Budget(SECONDS, MEMORY_MB), table.split()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    users = np.random.default_rng(seed).permutation(len(split.train))[:TUNING_USERS]
    checkpoints = out / f"{STAGING_PREFIX}checkpoints-{final.name}"
    curve: list[tuple[str, int, float, float]] = []
    context = TrainingContext(
        split.validation.take(np.sort(users)),
        table.items(split.train.item_count),
        device,
        seed,
        budget,
        checkpoints,
        lambda name, step, value: curve.append((name, step, value, budget.spent)),
        population="new",
    )
    model = make_ranker(family, config)
    model.fit(split, context)
    fitted = budget.spent
    with atomic_directory(final) as folder:
        state = {name: tensor.contiguous() for name, tensor in model.state().items()}
        save_file(state, folder / "model.safetensors")
        model.observe(split.validation.histories)
        record = {
            "table": table.name,
            "family": family,
            "learn_validation": table.learn_validation,
            "config": asdict(config),
            "tuned": model.tuned,
            "seed": seed,
            "code_version": code_version(family),
            "device": str(device),
            "parameters": sum(tensor.numel() for tensor in state.values()),
            "fit_seconds": round(fitted, 1),
            "validation": summary(evaluate_window(model.scores, split.validation, NEW)["new"]),
            "scoring_seconds": round(budget.spent - fitted, 2),
            "peak_memory_bytes": peak_memory(),
            "curve": curve,
        }
        write_json(folder / "run.json", record)
    rmtree(checkpoints, ignore_errors=True)
    return final


def run_id(table: Table, family: str, seed: int, config: Any) -> str:
    content = json.dumps([table.learn_validation, seed, asdict(config)], sort_keys=True)
    return f"{table.name}-{family}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def loaded(folder: Path, config: Any) -> Ranker:
    """The family of a run's directory, as it was fitted."""
    record = json.loads((folder / "run.json").read_text())
    model = make_ranker(record["family"], config)
    model.load_state(load_file(folder / "model.safetensors"))
    return model


def summary(evaluation: Evaluation) -> dict[str, float]:
    """Means over users; the intervals are made where the table is written."""
    return {name: round(float(values.mean()), 5) for name, values in evaluation.values.items()}
