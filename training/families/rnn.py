"""A simple recurrent network (Elman 1990): the state is a tanh of an item and the state before it.

The baseline of the gated families: only the cell differs.
"""

from functools import partial

from torch import nn

from training.layers.sequences.next_item import NextItem
from training.layers.sequences.recurrent import RecurrentConfig, recurrent_encoder

Config = RecurrentConfig


def Model(config: Config) -> NextItem:
    encoder = partial(recurrent_encoder, nn.RNN, config)
    return NextItem(config, config.learning, config.dimensions, encoder)
