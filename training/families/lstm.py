"""Long short-term memory (Hochreiter & Schmidhuber 1997): gates decide what a cell keeps.

For items as in GRU4Rec (see gru.py), and trained and scored as the other recurrent families are.
Which interests a shopper will act on is read out of the last state (see readout.py).
"""

from dataclasses import dataclass, field

import torch
from torch import nn

from training.data import Histories
from training.family import Bench, State
from training.interests.readout import Readout, fit_readout, without_readout
from training.sequences.next_item import NextItem, NextItemConfig, main_job_learning
from training.sequences.recurrent import RecurrentEncoder
from training.split import Split


@dataclass(frozen=True)
class Config:
    """``hidden``: dimensions of the state; ``dimensions``: of items, which it is brought to."""

    dimensions: int = 64
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.1
    learning: NextItemConfig = field(default_factory=main_job_learning)


class Model(NextItem):
    """State: the network's weights, and the readout's."""

    config: Config

    def __init__(self, config: Config) -> None:
        def encoder() -> RecurrentEncoder:
            cells = nn.LSTM(config.dimensions, config.hidden, config.layers, batch_first=True)
            return RecurrentEncoder(cells, config.dimensions, config.dropout)

        super().__init__(config, config.learning, config.dimensions, encoder)

    def fit(self, split: Split, bench: Bench) -> None:
        super().fit(split, bench)
        self.readout = fit_readout(self.user_vectors, split, bench)
        self.tuned |= self.readout.record()

    def interests(self, batch: Histories) -> torch.Tensor:
        return self.readout.probabilities(self.user_vectors, batch)

    def state(self) -> State:
        return super().state() | self.readout.state()

    def load_state(self, state: State) -> None:
        self.readout = Readout.of(state)
        super().load_state(without_readout(state))
