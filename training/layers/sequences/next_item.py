"""Next-item models: item embeddings, an encoder, and a softmax over the catalogue.

A family of this kind is its encoder; everything else is here, so that families differ as their
papers do. Input and output embeddings are shared. To change the loss of all these families, edit
``Network.loss``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds
from torch import nn
from torch.nn import functional as F

from training.data import catalogue
from training.data.histories import FloatArray, Histories, IntArray
from training.data.split import Split
from training.fitting import exported_encoder as encoder
from training.fitting.context import TrainingContext
from training.fitting.family import State, VectorFamily
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.popularity import popularity
from training.layers.sequences.softmax import log_chances, log_never, softmax_loss
from training.layers.sequences.windows import TOKEN, Batch, Masking, Windows, WindowsConfig

POPULARITY_DAYS = 90.0
HALF_LIFE_DAYS = 120.0
MOST_SUM_WEIGHT = 2.0  # for dot products, where there are few rows


@dataclass(frozen=True)
class NextItemConfig:
    """How a next-item model learns, whatever its encoder.

    Items of fewer than ``min_events`` share one embedding; they differ by popularity alone.
    ``negatives``: items sampled for a batch beside its targets; 0 is the whole catalogue.
    ``temperature``: 0 is the dot product of state and embedding plus the item's bias; above 0 it is
    their cosine over the temperature. ``tags``: whether an item's embedding is its own plus the
    mean of its tags' (see catalogue.py). ``sum_weight``: see ``Network``.
    Training ends after ``epochs`` passes over small data, after the trainer's ``steps`` on large.
    """

    windows: WindowsConfig = field(default_factory=WindowsConfig)
    min_events: int = 1
    negatives: int = 1024
    temperature: float = 0.0
    tags: bool = False
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
            steps=200, learning_rate=2e-3, warmup_steps=20, validate_every=100, patience=3
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

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.learn(split, context, lambda network: network)

    def learn(
        self, split: Split, context: TrainingContext, learner: Callable[["Network"], nn.Module]
    ) -> None:
        """Fit the network by the loss of ``learner(network)``: the network itself, or a wrapper."""
        torch.manual_seed(context.seed)
        learning, train = self.learning, split.train
        row_I = torch.from_numpy(embedding_rows(train, learning.min_events))
        tags_IK = padded_tags(context.items) if learning.tags else torch.zeros(train.item_count, 1)
        self.network = self._network(int(row_I.max()) + 1, tags_IK.long())
        self.network.start_from(train, row_I)
        windows = Windows(train, learning.windows, context.seed, context.device, self.masking)
        progress = fit_by_gradient(
            learner(self.network).to(context.device),
            windows.batch,
            lambda: context.validate(self.scores),
            learning.trainer.shortened(windows.steps_for(learning.epochs)),
            context,
        )
        self.tuned = progress.record()

    @torch.no_grad()
    def user_vectors(self, batch: Histories) -> torch.Tensor:
        read_BT, lengths_B = padded_histories(
            batch.latest(self.learning.windows.length), bool(self.masking)
        )
        device = self.network.bias_I.device
        hidden_BTD = self.network(read_BT.to(device), lengths_B.to(device))
        rows_B = torch.arange(len(batch), device=device)
        last_BD = self.network.compared(hidden_BTD[rows_B, lengths_B.to(device) - 1])
        return torch.cat([last_BD, torch.ones_like(last_BD[:, :1])], dim=1)

    @torch.no_grad()
    def item_vectors(self) -> torch.Tensor:
        """The bias is centred: as the logarithm of a share it would outweigh the rest."""
        network = self.network
        bias_I = network.bias_I - network.bias_I.mean()
        vectors_ID = network.targets(torch.arange(len(bias_I), device=bias_I.device))
        return torch.cat([vectors_ID, bias_I[:, None]], dim=1)

    def learned_items(self) -> torch.Tensor:
        return (self.network.row_I > 0) | self.network.tags_IK.any(dim=1)

    def exported(self) -> encoder.Encoder:
        reader = ExportedEncoder(self.network, bool(self.masking))
        return encoder.program(reader, self.learning.windows.length)

    def state(self) -> State:
        return {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}

    def load_state(self, state: State) -> None:
        self.network = self._network(len(state["embedding.weight"]), state["tags_IK"])
        self.network.load_state_dict(state)
        self.network.eval()

    def _network(self, row_count: int, tags_IK: torch.Tensor) -> "Network":
        causal, encoder = self.masking is None, self.encoder()
        return Network(self.learning, self.dimensions, row_count, tags_IK, encoder, causal)


class Network(nn.Module):
    """Item embeddings around an encoder, and the loss.

    A state is the encoder's plus, where ``sum_weight`` isn't 0, a learned weight times the sum of
    the items visible to it, over the root of their number: a linear path that starts as PureSVD
    (Cremonesi et al. 2010) where the embeddings do. ``causal``: a state sees earlier items only.
    """

    def __init__(
        self,
        config: NextItemConfig,
        dimensions: int,
        row_count: int,
        tags_IK: torch.Tensor,
        encoder: nn.Module,
        causal: bool,
    ) -> None:
        super().__init__()
        self.config, self.causal = config, causal
        self.encoder = encoder
        item_count = len(tags_IK)
        self.embedding = nn.Embedding(row_count, dimensions)
        self.tag_embedding = nn.Embedding(int(tags_IK.max()) + 1, dimensions, padding_idx=0)
        self.token_D = nn.Parameter(torch.zeros(dimensions))
        self.bias_I = nn.Parameter(torch.zeros(item_count), requires_grad=not config.temperature)
        first = config.sum_weight * dimensions / row_count
        if not config.temperature:  # a product grows with it, a cosine doesn't
            first = min(first, MOST_SUM_WEIGHT)
        self.sum_weight = nn.Parameter(torch.tensor(first))
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.row_I: torch.Tensor
        self.share_I: torch.Tensor
        self.drawn_share_I: torch.Tensor
        self.tags_IK: torch.Tensor
        self.register_buffer("row_I", torch.zeros(item_count, dtype=torch.long))
        self.register_buffer("share_I", torch.zeros(item_count))
        self.register_buffer("drawn_share_I", torch.zeros(item_count))
        self.register_buffer("tags_IK", tags_IK)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.zeros_(self.tag_embedding.weight)

    @torch.no_grad()
    def start_from(self, train: Histories, row_I: torch.Tensor) -> None:
        """Initialize from the data."""
        self.row_I.copy_(row_I)
        counts_I = torch.from_numpy(train.counts_I()).double()
        self.share_I.copy_(counts_I / counts_I.sum())
        self.drawn_share_I.copy_(counts_I**0.5 / (counts_I**0.5).sum())
        if not self.config.temperature:
            share_I = torch.from_numpy(popularity(train, POPULARITY_DAYS))
            self.bias_I.copy_((share_I + 0.1 / max(1, len(train.items_N))).log())
        if self.config.warm_start:
            warm_RD = warm_embeddings(train, row_I.numpy(), self.embedding.embedding_dim)
            self.embedding.weight[:, : warm_RD.shape[1]] = torch.from_numpy(warm_RD)

    def forward(self, read_BT: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        """hidden_BTD of each position."""
        token_BT1 = (read_BT == TOKEN)[:, :, None]
        items_BTD = self.embed(read_BT.clamp(min=0)).masked_fill(token_BT1, 0)
        read_BTD = self.embedding_dropout(items_BTD) + token_BT1 * self.token_D
        hidden_BTD: torch.Tensor = self.encoder(read_BTD, lengths_B)
        if self.config.sum_weight:
            known_BTD = self._sum(items_BTD, ~token_BT1, lengths_B)
            hidden_BTD = hidden_BTD + self.sum_weight * known_BTD
        return hidden_BTD

    def _sum(
        self, items_BTD: torch.Tensor, item_BT1: torch.Tensor, lengths_B: torch.Tensor
    ) -> torch.Tensor:
        """The sum of the items visible to each position, over the root of their number."""
        if self.causal:
            return items_BTD.cumsum(dim=1) / item_BT1.long().cumsum(dim=1).clamp(min=1).sqrt()
        positions_T = torch.arange(items_BTD.shape[1], device=items_BTD.device)
        item_BT1 = item_BT1 & (positions_T < lengths_B[:, None])[:, :, None]
        count_B11 = item_BT1.sum(dim=1, keepdim=True).clamp(min=1)
        return (items_BTD * item_BT1).sum(dim=1, keepdim=True) / count_B11.sqrt()

    def embed(self, items: torch.Tensor) -> torch.Tensor:
        """Embeddings of items, of any shape."""
        embeddings = self.embedding(self.row_I[items])
        if not self.config.tags:
            return embeddings
        tags_PK = self.tags_IK[items.flatten()]
        mean_PD = F.embedding_bag(tags_PK, self.tag_embedding.weight, mode="mean", padding_idx=0)
        return embeddings + mean_PD.view_as(embeddings)

    def compared(self, hidden_PD: torch.Tensor) -> torch.Tensor:
        """Hidden states, scaled for the product with ``targets``."""
        if not self.config.temperature:
            return hidden_PD
        return F.normalize(hidden_PD, dim=1) / self.config.temperature

    def targets(self, items_C: torch.Tensor) -> torch.Tensor:
        """Embeddings of items, scaled for the product with states."""
        embeddings_CD = self.embed(items_C)
        return F.normalize(embeddings_CD, dim=1) if self.config.temperature else embeddings_CD

    def target_states(self, batch: Batch) -> torch.Tensor:
        """hidden_PD of the positions that have a target, scaled."""
        hidden_BTD = self(batch.read_BT, batch.lengths_B)
        return self.compared(hidden_BTD[batch.has_BT])

    def loss(self, batch: Batch) -> torch.Tensor:
        items_C, log_chance_C = self.candidates(batch.wanted_N, batch.step)
        return softmax_loss(
            self.target_states(batch).float(),
            self.targets(items_C).float(),
            self.bias_I[items_C],
            log_chance_C,
            torch.searchsorted(items_C, batch.targets_BT[batch.has_BT]),
        )

    def candidates(self, wanted_N: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The items of a batch's softmax, ascending, and the log of their inclusion probability.

        Targets of the batch are negatives of each other.
        """
        if not self.config.negatives:
            items_I = torch.arange(len(self.row_I), device=wanted_N.device)
            return items_I, torch.zeros_like(self.bias_I)
        draws = self.config.negatives
        generator = torch.Generator(wanted_N.device).manual_seed(step)
        drawn_S = torch.multinomial(
            self.drawn_share_I, draws, replacement=True, generator=generator
        )
        items_C = torch.unique(torch.cat([wanted_N, drawn_S]))
        log_never_C = log_never(self.share_I[items_C], len(wanted_N))
        log_never_C += log_never(self.drawn_share_I[items_C], draws)
        return items_C, log_chances(log_never_C)


class ExportedEncoder(nn.Module):
    """The encoder that serving runs: one history to a user vector.

    ``token_last``: as in ``padded_histories``."""

    def __init__(self, network: Network, token_last: bool) -> None:
        super().__init__()
        self.network, self.token_last = network, token_last

    def forward(self, items_L: torch.Tensor, weights_L: torch.Tensor) -> torch.Tensor:
        token_1 = torch.full((1,), TOKEN, dtype=torch.long)
        parts = (items_L, token_1) if self.token_last else (token_1, items_L)
        read_1T = torch.cat(parts)[None]
        hidden_1TD = self.network(read_1T, torch.ones_like(read_1T).sum(dim=1))
        state_D = self.network.compared(hidden_1TD[:, -1])[0]
        return torch.cat([state_D, torch.ones_like(state_D[:1])])


def padded_histories(histories: Histories, token_last: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """read_BT and lengths_B of whole histories, with the token as the first or the last read."""
    lengths_B = histories.lengths_U + 1
    read_BT = np.full((len(histories), int(lengths_B.max(initial=1))), TOKEN)
    positions_N = np.arange(len(histories.items_N)) - np.repeat(
        histories.starts_U1[:-1], histories.lengths_U
    )
    read_BT[histories.rows_N, positions_N + (0 if token_last else 1)] = histories.items_N
    return torch.from_numpy(read_BT), torch.from_numpy(lengths_B)


def warm_embeddings(train: Histories, row_I: IntArray, dimensions: int) -> FloatArray:
    """The leading right singular vectors of users x embedding rows, each element about D^-0.5.

    Fewer than the dimensions where there are few users or rows; none for a catalogue of one item.
    """
    decayed_N = train.weights_N * 0.5 ** (train.ages_N / HALF_LIFE_DAYS)
    counts = train.matrix(decayed_N)
    kept_I = (row_I > 0).astype(np.float32)  # the shared row starts at zero
    to_rows = sp.csr_matrix((kept_I, row_I, np.arange(len(row_I) + 1)))
    counts = (counts @ to_rows).log1p()
    rank = min(dimensions, min(counts.shape) - 1)
    if rank < 1:
        return np.zeros((counts.shape[1], 0), np.float32)
    _, _, right_DR = svds(counts, rank, v0=np.ones(min(counts.shape)))
    scale = np.sqrt(counts.shape[1] / dimensions)
    return np.ascontiguousarray(right_DR[::-1].T * scale, dtype=np.float32)


def padded_tags(items: pa.Table) -> torch.Tensor:
    """tags_IK: the numbers of each item's tags, from 1 up, padded with 0."""
    tags = catalogue.tags(items)
    counts_I = np.diff(tags.indptr)
    tags_IK = np.zeros((len(items), max(1, counts_I.max(initial=0))), np.int64)
    tags_IK[np.arange(tags_IK.shape[1]) < counts_I[:, None]] = tags.indices + 1
    return torch.from_numpy(tags_IK)


def embedding_rows(train: Histories, min_events: int) -> IntArray:
    """For each item the row of its embedding; row 0 is shared by the rare ones."""
    frequent_I = (train.counts_I() >= min_events).astype(np.int64)
    return np.cumsum(frequent_I) * frequent_I
