"""Records of stages with neutral fields, of which a test gives those that matter to it."""

from typing import Any

from penchant.artifacts import ModelSelection, RunRecord


def run_record(**fields: Any) -> RunRecord:
    neutral = {
        "run_id": f"{fields.get('family', 'popularity')}-000000000001",
        "family": "popularity",
        "snapshot_id": "s-20180102-000000000001",
        "config": {},
        "tuned": {},
        "seed": 0,
        "code_version": "0",
        "capabilities": (),
        "parameters": 0,
        "device": "cpu",
        "threads": 1,
        "curve": (),
        "fit_seconds": 0.0,
        "users_evaluated": 0,
        "scoring_ms_per_user": 0.0,
        "metrics": {},
        "validation_metrics": {},
        "beyond_accuracy": {},
        "tasks": {},
        "headline": "",
        "seconds": 0.0,
        "peak_memory_bytes": 0,
    }
    return RunRecord(**neutral | fields)


def model_selection(**fields: Any) -> ModelSelection:
    neutral = {
        "selection_id": "000000000001",
        "snapshot_id": "s-20180102-000000000001",
        "retriever": None,
        "ranker": "popularity-000000000001",
        "prior": "popularity-000000000001",
        "reasons": (),
        "failures": {},
        "leaderboard": (),
    }
    return ModelSelection(**neutral | fields)
