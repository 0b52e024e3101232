"""A simple recurrent network (Elman 1990): the state is a tanh of an item and the state before it.

The bar for the gated families: trained and scored as they are, and only the cell differs.
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
        cells = nn.RNN(config.dimensions, config.hidden, config.layers, batch_first=True)
        return RecurrentEncoder(cells, config.dimensions, config.dropout)

    return NextItem(config, config.learning, config.dimensions, encoder)
