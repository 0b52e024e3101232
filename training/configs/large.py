"""Runs that are larger and longer than the main job's, for a GPU or a night.

They are not tuned: widths and lengths as in the papers, everything else as in the main job.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from training.families import (
    bert4rec,
    cnn_lstm,
    ease,
    fusion,
    gan,
    gru,
    hstu,
    lstm,
    matrix_factorization,
    ncf,
    rnn,
    sasrec,
    transfer,
    vae,
)
from training.fitting.trainer import TrainerConfig
from training.layers.sequences.next_item import NextItemConfig


def bert4rec_large() -> bert4rec.Config:
    config = bert4rec.Config()
    return replace(config, dimensions=128, learning=_longer(config.learning))


def cnn_lstm_large() -> cnn_lstm.Config:
    config = cnn_lstm.Config()
    return replace(config, dimensions=128, epochs=50.0, trainer=_long(config.trainer))


def ease_large() -> ease.Config:
    return ease.Config(most_items=20_000)


def fusion_large() -> fusion.Config:
    return fusion.Config(most_members=8)


def gan_large() -> gan.Config:
    config = gan.Config()
    return replace(config, dimensions=128, learning=_longer(config.learning))


def gru_large() -> gru.Config:
    config = gru.Config()
    return replace(config, dimensions=128, learning=_longer(config.learning))


def hstu_large() -> hstu.Config:
    config = hstu.Config()
    return replace(config, dimensions=128, learning=_longer(config.learning))


def lstm_large() -> lstm.Config:
    config = lstm.Config()
    return replace(config, dimensions=128, learning=_longer(config.learning))


def matrix_factorization_large() -> matrix_factorization.Config:
    return matrix_factorization.Config(dimensions=256, sweeps=15)


def ncf_large() -> ncf.Config:
    config = ncf.Config()
    return replace(config, dimensions=128, epochs=50.0, trainer=_long(config.trainer))


def rnn_large() -> rnn.Config:
    config = rnn.Config()
    return replace(config, dimensions=128, learning=_longer(config.learning))


def sasrec_large() -> sasrec.Config:
    config = sasrec.Config()
    return replace(config, dimensions=128, learning=_longer(config.learning))


def transfer_large() -> transfer.Config:
    config = transfer.Config()
    return replace(
        config, dimensions=128, learning=_longer(config.learning), curve_shares=(0.01, 0.05)
    )


def vae_large() -> vae.Config:
    config = vae.Config()
    return replace(config, dimensions=128, epochs=50.0, trainer=_long(config.trainer))


CONFIGS: dict[str, Callable[[], Any]] = {
    "bert4rec": bert4rec_large,
    "cnn_lstm": cnn_lstm_large,
    "ease": ease_large,
    "fusion": fusion_large,
    "gan": gan_large,
    "gru": gru_large,
    "hstu": hstu_large,
    "lstm": lstm_large,
    "matrix_factorization": matrix_factorization_large,
    "ncf": ncf_large,
    "rnn": rnn_large,
    "sasrec": sasrec_large,
    "transfer": transfer_large,
    "vae": vae_large,
}
"""By family; the others run as in the main job."""


def _longer(learning: NextItemConfig) -> NextItemConfig:
    return replace(learning, epochs=20.0, negatives=4096, trainer=_long(learning.trainer))


def _long(trainer: TrainerConfig) -> TrainerConfig:
    return replace(trainer, steps=20_000, warmup_steps=500, validate_every=500, patience=5)
