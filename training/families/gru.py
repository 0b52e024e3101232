"""GRU4Rec: a gated recurrent unit (Cho et al. 2014) over a history (Hidasi et al. 2016).

Changed: a softmax over the catalogue or negatives that a batch shares, weighted by their chance, in
place of BPR and TOP1, whose gradients vanish where most negatives are easy (Hidasi & Karatzoglou
2018); embeddings of items in place of one-hot rows, the same that states are compared with; batches
of windows of like length in place of sessions side by side.
"""

from dataclasses import dataclass, field

from torch import nn

from training.layers.sequences.next_item import NextItem, NextItemConfig, main_job_learning
from training.layers.sequences.recurrent import RecurrentEncoder


@dataclass(frozen=True)
class Config:
    """``hidden``: dimensions of the state; ``dimensions``: of items, which it is brought to."""

    dimensions: int = 64
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.1
    learning: NextItemConfig = field(default_factory=main_job_learning)


def Model(config: Config) -> NextItem:
    def encoder() -> RecurrentEncoder:
        cells = nn.GRU(config.dimensions, config.hidden, config.layers, batch_first=True)
        return RecurrentEncoder(cells, config.dimensions, config.dropout)

    return NextItem(config, config.learning, config.dimensions, encoder)
