"""GRU4Rec: a gated recurrent unit (Cho et al. 2014) over a history (Hidasi et al. 2016).

Changes: a softmax over the catalogue or negatives that a batch shares, weighted by their chance, in
place of BPR and TOP1, whose gradients vanish where most negatives are easy (Hidasi & Karatzoglou
2018); embeddings of items in place of one-hot rows, the same that states are compared with; batches
of windows of like length in place of sessions side by side.
"""

from functools import partial

from torch import nn

from training.layers.sequences.next_item import NextItem
from training.layers.sequences.recurrent import RecurrentConfig, recurrent_encoder

Config = RecurrentConfig


def Model(config: Config) -> NextItem:
    encoder = partial(recurrent_encoder, nn.GRU, config)
    return NextItem(config, config.learning, config.dimensions, encoder)
