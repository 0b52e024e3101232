"""The reference runs: one function each, giving the whole config of a family."""

from dataclasses import replace
from typing import Any, Literal

from penchant.settings import Settings
from training.fitting.family import default_config
from training.fitting.trainer import TrainerConfig
from training.layers.sequences.cuts import CutsConfig
from training.layers.sequences.next_item import NextItemConfig
from training.layers.sequences.windows import Masking, WindowsConfig


def main_job(family: str) -> Any:
    """The run that ``penchant train`` makes on a snapshot.

    The defaults of each family's ``Config`` are this run's. They were chosen on Complete Journey by
    NDCG@10 on the validation window, never on the test window.
    """
    return default_config(family)


def reference(family: str) -> Any:
    """Larger and longer than the main job's, for a GPU or a night: PENCHANT_REFERENCE_CONFIGS.

    Nothing here is tuned: widths and lengths of the papers, on the main job's learning.
    """
    config = default_config(family)
    if isinstance(getattr(config, "learning", None), NextItemConfig):
        trainer = replace(config.learning.trainer, **LONG)
        learning = replace(config.learning, epochs=20.0, negatives=4096, trainer=trainer)
        return replace(config, dimensions=128, learning=learning)
    if isinstance(getattr(config, "trainer", None), TrainerConfig):
        return replace(config, dimensions=128, epochs=50.0, trainer=replace(config.trainer, **LONG))
    return replace(config, **REFERENCE.get(family, {}))


Runs = Literal["main_job", "reference", "beauty", "sports"]


def of(runs: Runs, family: str) -> Any:
    """A family's config among the reference runs of one kind."""
    if runs == "main_job":
        return main_job(family)
    return reference(family) if runs == "reference" else published(runs, family)


def chosen(settings: Settings, family: str) -> Any:
    """The config that this installation trains on a snapshot."""
    return reference(family) if settings.reference_configs else main_job(family)


LONG: dict[str, Any] = {"steps": 20_000, "warmup_steps": 500, "validate_every": 500, "patience": 5}
REFERENCE: dict[str, dict[str, Any]] = {
    "ease": {"most_items": 20_000},
    "fusion": {"runs": "reference", "most_members": 8},
    "matrix_factorization": {"dimensions": 256, "sweeps": 15},
}


def published(table: str, family: str) -> Any:
    """The run that reproduces a published table: what differs there from the main job's.

    Chosen by NDCG@10 on each table's validation items, then frozen.
    """
    return replace(default_config(family), **PUBLISHED[table].get(family, {}))


AMAZON_LEARNING = NextItemConfig(
    windows=WindowsConfig(length=50, events_a_batch=1024, horizon_days=1),
    negatives=1024,
    temperature=0.07,
    tags=True,
    epochs=12,
    trainer=TrainerConfig(
        steps=10**6, learning_rate=2e-3, warmup_steps=10**4, validate_every=10**5, patience=5
    ),
)
"""Of all next-item models: horizon of a day, because there a day is a step. ``steps`` is more than
any of them takes, so that the epochs decide."""

AMAZON_FACTORS: dict[str, Any] = {
    "dimensions": 256,
    "min_buyers": 1,
    "alpha": 20.0,
    "regularization": 10.0,
    "half_life_days": 8.0,
    "fold_half_life_days": 2.0,
    "sweeps": 8,
}

AMAZON_BAGS: dict[str, Any] = {
    "min_events": 1,
    "cuts": CutsConfig(length=50, half_life_days=2.0, horizon_days=1),
    "trainer": TrainerConfig(steps=900, learning_rate=3e-3, validate_every=300),
}
AMAZON_VAE = AMAZON_BAGS | {"dimensions": 128, "temperature": 0.08}

AMAZON_WORDS: dict[str, Any] = {"half_life_days": 1.0, "popularity_weight": 0.2}

AMAZON_SKIP_GRAMS: dict[str, Any] = {
    "dimensions": 64,
    "window_days": 1000.0,
    "learning_rate": 0.7,
    "epochs": 5,
    "decorrelation": 0.5,
    "half_life_days": 2.0,
    "popularity_weight": 0.05,
}
AMAZON_GLOVE = {"popularity_weight": 0.05}

AMAZON_EASE = {
    "regularization": 80.0,
    "half_life_days": 2.4,
    "window_days": 1.0,
    "windows": 200,
    "together": 0.2,
    "same_tag": 4.0,
    "repeats": False,
    "min_buyers": 1,
    "most_items": 100_000,
}
AMAZON_ITEM_CF = {
    "neighbours": 300,
    "min_buyers": 1,
    "shrinkage": 3.0,
    "half_lives_days": (1.357, 1.0, 2.0),
}
AMAZON_USER_CF = {
    "neighbours": 200,
    "half_life_days": 1.3,
    "neighbour_half_life_days": 10.0,
    "sharpness": 1.0,
    "rarity": 0.25,
}
AMAZON_SEQUENCE: dict[str, Any] = {"dropout": 0.2, "learning": AMAZON_LEARNING}
AMAZON_TRANSFORMER: dict[str, Any] = AMAZON_SEQUENCE | {"layers": 1}
AMAZON_BERT4REC: dict[str, Any] = AMAZON_TRANSFORMER | {
    "masking": Masking(share=0.3, only_next=0.5),
    "learning": replace(AMAZON_LEARNING, epochs=30),
}
"""More epochs than the others: about a quarter of the positions are asked in each."""

AMAZON: dict[str, dict[str, Any]] = {
    "item_cf": AMAZON_ITEM_CF,
    "user_cf": AMAZON_USER_CF,
    "ease": AMAZON_EASE,
    "content": AMAZON_WORDS,
    "word2vec": AMAZON_SKIP_GRAMS,
    "glove": AMAZON_GLOVE,
    "matrix_factorization": AMAZON_FACTORS,
    "ncf": AMAZON_BAGS,
    "vae": AMAZON_VAE,
    "rnn": AMAZON_SEQUENCE,
    "gru": AMAZON_SEQUENCE,
    "lstm": AMAZON_SEQUENCE,
    "sasrec": AMAZON_TRANSFORMER,
    "bert4rec": AMAZON_BERT4REC,
    "hstu": AMAZON_TRANSFORMER,
}
AMAZON_FUSION: dict[str, Any] = {"most_members": 8, "learners": 6000, "new_share": 1.0}
PUBLISHED = {
    table: AMAZON | {"fusion": {"runs": table, **AMAZON_FUSION}} for table in ("beauty", "sports")
}
"""Sports has Beauty's: it validated well as it was, and a fit there takes minutes."""
