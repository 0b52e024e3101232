"""Long short-term memory (Hochreiter & Schmidhuber 1997): gates decide what a cell keeps.

For items as in GRU4Rec (see gru.py), and trained and scored as the other recurrent families are.
A probe of the last state classifies interests (see probe.py).
"""

from functools import partial

import torch
from torch import nn

from training.data.histories import Histories
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import State
from training.layers.probe import Probe, fit_probe, without_probe
from training.layers.sequences.next_item import NextItem
from training.layers.sequences.recurrent import RecurrentConfig, recurrent_encoder

Config = RecurrentConfig


class Model(NextItem):
    """State: the network's weights, and the probe's."""

    config: Config

    def __init__(self, config: Config) -> None:
        encoder = partial(recurrent_encoder, nn.LSTM, config)
        super().__init__(config, config.learning, config.dimensions, encoder)

    def fit(self, split: Split, context: TrainingContext) -> None:
        super().fit(split, context)
        self.probe, self.habits = fit_probe(self.user_vectors, split, context)
        self.tuned |= self.probe.record()

    def interests(self, batch: Histories) -> torch.Tensor:
        return self.probe.probabilities(self.user_vectors, batch)

    def state(self) -> State:
        return super().state() | self.probe.state()

    def load_state(self, state: State) -> None:
        self.probe = Probe.of(state)
        super().load_state(without_probe(state))
