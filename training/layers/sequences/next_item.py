"""Next-item models: item embeddings, an encoder, and a softmax over the catalogue.

A family of this kind is its encoder; everything else is here, so that families differ as their
papers do. Input and output embeddings are shared. To change the loss of all these families, edit
``Network.loss``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from penchant.interactions import EVENT_TYPES
from training.data.histories import Histories
from training.data.item_vectors import vectors_of
from training.data.split import Split
from training.evaluation.metrics.full_ranking import Scorer
from training.fitting import exported_encoder as encoder
from training.fitting.context import TrainingContext
from training.fitting.family import State, VectorFamily, scorer_of_rows
from training.fitting.remembered_vectors import RememberedVectors
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.modalities import side_by_side
from training.layers.sequences.inputs import (
    embedding_rows,
    padded_details,
    padded_histories,
    padded_tags,
)
from training.layers.sequences.network import ExportedEncoder, Network
from training.layers.sequences.windows import Masking, Windows, WindowsConfig


@dataclass(frozen=True)
class NextItemConfig:
    """How a next-item model learns, whatever its encoder.

    Items of fewer than ``min_events`` share one embedding; they differ by popularity alone.
    ``every_type``: whether events of all types are read, each with the embedding of its type added
    (the actions of Zhai et al. 2024); the type to predict is predicted alone. ``gaps``: whether the
    time since the event before is added as an embedding. ``negatives``: items sampled for a batch
    beside its targets; 0 is the whole catalogue.
    ``temperature``: 0 is the dot product of state and embedding plus the item's bias; above 0 it is
    their cosine over the temperature. ``tags``: whether an item's embedding is its own plus the
    mean of its tags' (see catalogue.py). ``vector_dimensions`` are kept of each kind of vector that
    the shop brought of its items, and projected to the embedding; 0 uses none. ``sum_weight``: see
    ``Network``.
    Training ends after ``epochs`` passes over small data, after the trainer's ``steps`` on large.
    """

    windows: WindowsConfig = field(default_factory=WindowsConfig)
    min_events: int = 1
    every_type: bool = False
    gaps: bool = False
    negatives: int = 1024
    temperature: float = 0.0
    tags: bool = False
    vector_dimensions: int = 64
    warm_start: bool = False
    sum_weight: float = 0.0
    embedding_dropout: float = 0.0
    epochs: float = 40.0
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(steps=10**6))


def main_job_learning() -> NextItemConfig:
    """For histories of some hundreds of events, in the main job's seconds."""
    return NextItemConfig(
        windows=WindowsConfig(length=100, events_a_batch=2048, horizon_days=14),
        min_events=10,
        negatives=512,
        temperature=0.1,
        warm_start=True,
        sum_weight=60.0,
        epochs=10.0,
        trainer=TrainerConfig(
            steps=120, learning_rate=2e-3, warmup_steps=20, validate_every=120, patience=3
        ),
    )


class NextItem(VectorFamily):
    """State: the network's weights. A user's vector is the last hidden state, then 1; an item's is
    its embedding, then its bias. ``masking``: for an encoder that reads both ways; without it,
    states depend on earlier items only."""

    def __init__(
        self,
        config: Any,
        learning: NextItemConfig,
        dimensions: int,
        encoder: Callable[[], nn.Module],
        masking: Masking | None = None,
    ) -> None:
        super().__init__(config)
        self.learning, self.dimensions, self.encoder = learning, dimensions, encoder
        self.masking = masking
        self.remembered: RememberedVectors | None = None

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.learn(split, context, lambda network: network)
        self.remember()

    def remember(self) -> None:
        """Compute the vector of each user once from now on: the weights no longer change."""
        self.remembered = RememberedVectors(self._user_vectors)

    def forget(self) -> None:
        """Compute vectors anew from now on."""
        self.remembered = None

    def learn(
        self, split: Split, context: TrainingContext, learner: Callable[[Network], nn.Module]
    ) -> None:
        """Fit the network by the loss of ``learner(network)``: the network itself, or a wrapper."""
        self.forget()
        torch.manual_seed(context.seed)
        learning, train = self.learning, split.train
        types = learning.every_type and train.others is not None
        read = train.every_type() if types else train
        row_I = torch.from_numpy(embedding_rows(read, learning.min_events))
        tags_IK = padded_tags(context.items) if learning.tags else torch.zeros(train.item_count, 1)
        vectors_IV = self._vectors_of(context)
        self.network = self._network(int(row_I.max()) + 1, tags_IK.long(), types, vectors_IV)
        self.network.start_from(train, read, row_I, context.parent)
        windows = Windows(
            read,
            learning.windows,
            context.seed,
            context.device,
            self.masking,
            wanted=train if types else None,
        )
        steps = windows.steps_for(learning.epochs)
        progress = fit_by_gradient(
            learner(self.network).to(context.device),
            windows.batch,
            lambda: context.validate(self.scorer()),
            learning.trainer.shortened(steps).from_parent(context.parent),
            context,
        )
        self.tuned = progress.record()

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        return self.remembered.of(batch) if self.remembered else self._user_vectors(batch)

    @torch.no_grad()
    def _user_vectors(self, batch: Histories) -> torch.Tensor:
        read = batch if self.network.types is None else batch.every_type()
        newest = read.latest(self.learning.windows.length)
        token_last, device = bool(self.masking), self.network.bias_I.device
        read_BT, lengths_B = padded_histories(newest, token_last)
        details = padded_details(newest, token_last).to(device)
        last_BD = self.network.last(read_BT.to(device), lengths_B.to(device), details)
        last_BD = self.network.compared(last_BD)
        return torch.cat([last_BD, torch.ones_like(last_BD[:, :1])], dim=1)

    @torch.no_grad()
    def item_vectors(self) -> torch.Tensor:
        """The bias is centred: as the logarithm of a share it would outweigh the rest."""
        network = self.network
        bias_I = network.bias_I - network.bias_I.mean()
        vectors_ID = network.targets(torch.arange(len(bias_I), device=bias_I.device))
        return torch.cat([vectors_ID, bias_I[:, None]], dim=1)

    def scorer(self) -> Scorer:
        """Scores each embedding once: rare items share one, and differ by their bias alone."""
        network = self.network
        if network.config.tags or network.projection is not None:
            return super().scorer()
        rows_RD, bias_I = network.embedding.weight.detach(), network.bias_I.detach()
        rows_RD = F.normalize(rows_RD, dim=1) if network.config.temperature else rows_RD
        return scorer_of_rows(self.user_vectors, rows_RD, network.row_I, bias_I - bias_I.mean())

    def learned_items(self) -> torch.Tensor:
        network = self.network
        learned_I = (network.row_I > 0) | network.tags_IK.any(dim=1)
        return learned_I if network.projection is None else learned_I | network.projection.known_I

    def exported(self) -> encoder.Encoder:
        reader = ExportedEncoder(self.network, bool(self.masking))
        found = encoder.program(reader, self.learning.windows.length)
        if self.network.types is None:
            return found
        learned_T = self.network.types.weight.any(dim=1).tolist()  # the others stay 0
        recorded = (name for name, learned in zip(EVENT_TYPES, learned_T, strict=True) if learned)
        return replace(found, strengths=dict.fromkeys(recorded, 1.0))

    def state(self) -> State:
        return {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}

    def load_state(self, state: State) -> None:
        types = "types.weight" in state
        rows, vectors_IV = len(state["embedding.weight"]), state.get("projection.vectors_IV")
        self.network = self._network(rows, state["tags_IK"], types, vectors_IV)
        self.network.load_state_dict(state)
        self.network.eval()
        self.remember()

    def _vectors_of(self, context: TrainingContext) -> torch.Tensor | None:
        dimensions = self.learning.vector_dimensions
        vectors = vectors_of(context.items) if dimensions else {}
        if not vectors:
            return None
        return torch.from_numpy(side_by_side(vectors, dimensions))

    def _network(
        self,
        row_count: int,
        tags_IK: torch.Tensor,
        types: bool = False,
        vectors_IV: torch.Tensor | None = None,
    ) -> Network:
        causal, encoder = self.masking is None, self.encoder()
        size = self.dimensions, row_count
        return Network(self.learning, *size, tags_IK, encoder, causal, types, vectors_IV)
