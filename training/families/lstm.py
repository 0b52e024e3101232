"""Long short-term memory (Hochreiter & Schmidhuber 1997): gates decide what a cell keeps.

For items as in GRU4Rec (see gru.py), and trained and scored as the other recurrent families are.
"""

from dataclasses import dataclass, field

from torch import nn

from training.next_item import NextItem, NextItemConfig, main_job_learning
from training.recurrent import RecurrentEncoder


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
        cells = nn.LSTM(config.dimensions, config.hidden, config.layers, batch_first=True)
        return RecurrentEncoder(cells, config.dimensions, config.dropout)

    return NextItem(config, config.learning, config.dimensions, encoder)
