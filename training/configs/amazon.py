"""Runs that reproduce the published tables on Amazon reviews, Beauty and Sports.

Tuned on Beauty by NDCG@10 on its validation items. A day of this data is a step of a history, so
horizons and half-lives count steps.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from training.families import (
    bert4rec,
    content,
    ease,
    fusion,
    glove,
    gru,
    hstu,
    item_cf,
    lstm,
    matrix_factorization,
    ncf,
    rnn,
    sasrec,
    user_cf,
    vae,
    word2vec,
)
from training.fitting.trainer import TrainerConfig
from training.layers.sequences.cuts import CutsConfig
from training.layers.sequences.next_item import NextItemConfig
from training.layers.sequences.windows import Masking, WindowsConfig


def beauty_item_cf() -> item_cf.Config:
    return item_cf.Config(
        neighbours=300, min_buyers=1, shrinkage=3.0, half_lives_days=(1.357, 1.0, 2.0)
    )


def beauty_user_cf() -> user_cf.Config:
    return user_cf.Config(
        neighbours=200,
        half_life_days=1.3,
        neighbour_half_life_days=10.0,
        sharpness=1.0,
        rarity=0.25,
    )


def beauty_ease() -> ease.Config:
    return ease.Config(
        regularization=80.0,
        half_life_days=2.4,
        window_days=1.0,
        windows=200,
        together=0.2,
        same_tag=4.0,
        repeats=False,
        min_buyers=1,
        most_items=100_000,
    )


def beauty_content() -> content.Config:
    return content.Config(half_life_days=1.0, popularity_weight=0.2)


def beauty_word2vec() -> word2vec.Config:
    return word2vec.Config(
        dimensions=64,
        window_days=1000.0,
        learning_rate=0.7,
        epochs=5,
        decorrelation=0.5,
        half_life_days=2.0,
        popularity_weight=0.05,
    )


def beauty_glove() -> glove.Config:
    return glove.Config(popularity_weight=0.05)


def beauty_matrix_factorization() -> matrix_factorization.Config:
    return matrix_factorization.Config(
        dimensions=256,
        min_buyers=1,
        alpha=20.0,
        regularization=10.0,
        half_life_days=8.0,
        fold_half_life_days=2.0,
        sweeps=8,
    )


def beauty_ncf() -> ncf.Config:
    return ncf.Config(min_events=1, cuts=_cuts(), trainer=_bag_trainer())


def beauty_vae() -> vae.Config:
    return vae.Config(
        dimensions=128, temperature=0.08, min_events=1, cuts=_cuts(), trainer=_bag_trainer()
    )


def beauty_rnn() -> rnn.Config:
    return rnn.Config(dropout=0.2, learning=_learning())


def beauty_gru() -> gru.Config:
    return gru.Config(dropout=0.2, learning=_learning())


def beauty_lstm() -> lstm.Config:
    return lstm.Config(dropout=0.2, learning=_learning())


def beauty_sasrec() -> sasrec.Config:
    return sasrec.Config(layers=1, dropout=0.2, learning=_learning())


def beauty_bert4rec() -> bert4rec.Config:
    """More epochs than the others: each predicts about a quarter of the positions."""
    return bert4rec.Config(
        layers=1,
        dropout=0.2,
        masking=Masking(share=0.3, only_next=0.5),
        learning=replace(_learning(), epochs=30),
    )


def beauty_hstu() -> hstu.Config:
    return hstu.Config(layers=1, dropout=0.2, time_bias=False, repeat=None, learning=_learning())


def beauty_fusion() -> fusion.Config:
    return fusion.Config(most_members=8, learners=6000, new_share=1.0)


CONFIGS: dict[str, Callable[[], Any]] = {
    "item_cf": beauty_item_cf,
    "user_cf": beauty_user_cf,
    "ease": beauty_ease,
    "content": beauty_content,
    "word2vec": beauty_word2vec,
    "glove": beauty_glove,
    "matrix_factorization": beauty_matrix_factorization,
    "ncf": beauty_ncf,
    "vae": beauty_vae,
    "rnn": beauty_rnn,
    "gru": beauty_gru,
    "lstm": beauty_lstm,
    "sasrec": beauty_sasrec,
    "bert4rec": beauty_bert4rec,
    "hstu": beauty_hstu,
    "fusion": beauty_fusion,
}
"""By family; the others run as in the main job."""

TABLES = {"beauty": CONFIGS, "sports": CONFIGS}
"""Sports uses the same configs: they validated well as they were, and a fit there takes minutes."""


def _learning() -> NextItemConfig:
    """Of all next-item models. ``steps`` is never reached: the epochs end the training."""
    return NextItemConfig(
        windows=WindowsConfig(length=50, events_a_batch=1024, horizon_days=1),
        negatives=1024,
        temperature=0.07,
        tags=True,
        epochs=12,
        trainer=TrainerConfig(
            steps=10**6, learning_rate=2e-3, warmup_steps=10**4, validate_every=10**5, patience=5
        ),
    )


def _cuts() -> CutsConfig:
    return CutsConfig(length=50, half_life_days=2.0, horizon_days=1)


def _bag_trainer() -> TrainerConfig:
    return TrainerConfig(steps=900, learning_rate=3e-3, validate_every=300)
