"""Long short-term memory (Hochreiter & Schmidhuber 1997): gates decide what a cell keeps.

For items as in GRU4Rec (see gru.py), and trained and scored as the other recurrent families are.
Which interests a user will act on is read out of the last state (see readout.py).
"""

from dataclasses import dataclass, field

import torch
from torch import nn

from training.data.histories import Histories
from training.data.split import Split
from training.fitting.family import State, TrainingContext
from training.layers.probe import Probe, fit_probe, without_probe
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


class Model(NextItem):
    """State: the network's weights, and the readout's."""

    config: Config

    def __init__(self, config: Config) -> None:
        def encoder() -> RecurrentEncoder:
            cells = nn.LSTM(config.dimensions, config.hidden, config.layers, batch_first=True)
            return RecurrentEncoder(cells, config.dimensions, config.dropout)

        super().__init__(config, config.learning, config.dimensions, encoder)

    def fit(self, split: Split, context: TrainingContext) -> None:
        super().fit(split, context)
        self.readout = fit_probe(self.user_vectors, split, context)
        self.tuned |= self.readout.record()

    def interests(self, batch: Histories) -> torch.Tensor:
        return self.readout.probabilities(self.user_vectors, batch)

    def state(self) -> State:
        return super().state() | self.readout.state()

    def load_state(self, state: State) -> None:
        self.readout = Probe.of(state)
        super().load_state(without_probe(state))
