"""A sequence family whose weights are shared: a node takes some steps of AdamW on its histories."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from training.data.histories import Histories
from training.families.gru import Config, Model
from training.fitting.family import Ranker
from training.layers.sequences.network import Network
from training.layers.sequences.windows import Windows

STEPS = 40  # of a round, at each node
CLIP_NORM = 1.0
DEVICE = torch.device("cpu")


class Sequences:
    """Arrays: the learned weights of ``gru``. Each item has an embedding of its own; how often
    items are drawn as negatives, and their popularity, is each node's own."""

    def __init__(self) -> None:
        config = Config()
        self.config = replace(config, learning=replace(config.learning, warm_start=False))

    def initial(self, item_count: int, seed: int) -> list[npt.NDArray[np.float32]]:
        torch.manual_seed(seed)
        return _arrays(self._network(item_count))

    def trained(
        self, arrays: list[npt.NDArray[np.float32]], histories: Histories, seed: int
    ) -> list[npt.NDArray[np.float32]]:
        learning = self.config.learning
        network = self._loaded(arrays, histories)
        windows = Windows(histories, learning.windows, seed, DEVICE)
        optimizer = torch.optim.AdamW(_learned(network), learning.trainer.learning_rate, fused=True)
        torch.manual_seed(seed)
        network.train()
        for step in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            network.loss(windows.batch(step)).backward()
            nn.utils.clip_grad_norm_(_learned(network), CLIP_NORM)
            optimizer.step()
        return _arrays(network)

    def weight(self, histories: Histories) -> int:
        return len(histories)

    def family(self, arrays: list[npt.NDArray[np.float32]], histories: Histories) -> Ranker:
        model = Model(self.config)
        model.network = self._loaded(arrays, histories)
        model.network.eval()
        return model

    def _loaded(self, arrays: list[npt.NDArray[np.float32]], histories: Histories) -> Network:
        network = self._network(histories.item_count)
        network.start_from(histories, histories, torch.arange(1, histories.item_count + 1))
        with torch.no_grad():
            for weight, array in zip(_learned(network), arrays, strict=True):
                weight.copy_(torch.as_tensor(array))
        return network

    def _network(self, item_count: int) -> Network:
        model = Model(self.config)
        no_tags_I1 = torch.zeros(item_count, 1, dtype=torch.long)
        return Network(
            self.config.learning,
            self.config.dimensions,
            item_count + 1,
            no_tags_I1,
            model.encoder(),
            causal=True,
        )


def _learned(network: Network) -> list[nn.Parameter]:
    return [weight for weight in network.parameters() if weight.requires_grad]


def _arrays(network: Network) -> list[npt.NDArray[np.float32]]:
    return [weight.detach().numpy().copy() for weight in _learned(network)]
