"""Self-attentive sequential recommendation: a causal Transformer over what a shopper did (Kang &
McAuley 2018), scored by a dot product with the same item vectors that it reads.

Where shoppers buy baskets, the order within one says nothing and the next item is often of the same
basket. So each position predicts an item drawn from the user's next weeks, after the basket that it
is in: the dense all-action loss of PinnerFormer (Pancha et al. 2022), which is also the question
that the evaluation asks. The softmax over the catalogue is sampled: negatives shared by the batch,
drawn by popularity, with the logQ correction (Yi et al. 2019).

Two things are added for data of few shoppers and a few minutes of CPU, where a Transformer that
starts at random is still no better than popularity when the time is over: embeddings start as the
singular vectors of users x items, and a state is the Transformer's plus a learned weight times the
sum of what was read, over the root of its length. So training starts from PureSVD (Cremonesi et
al. 2010). On Complete Journey that start has an NDCG@10 of 0.223 on validation (popularity: 0.124);
150 steps lose from it before they win, so the run there keeps the start.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds
from torch import nn
from torch.nn import functional as F

from training.data import DAY, FloatArray, Histories, IntArray
from training.families.popularity import popularity
from training.family import Bench, State, VectorFamily
from training.split import Split
from training.trainer import TrainerConfig, fit_by_gradient

POPULARITY_DAYS = 90.0
SUM_WEIGHT = 60.0
HALF_LIFE_DAYS = 120.0


@dataclass(frozen=True)
class Config:
    """``length``: newest events read. ``horizon_days``: how far ahead a target may lie.

    Small data ends after ``epochs`` passes, large data after the trainer's ``steps``. Items of
    fewer than ``min_events`` share one embedding; only popularity tells those apart.
    """

    dimensions: int = 64
    layers: int = 2
    heads: int = 2
    length: int = 200
    dropout: float = 0.1
    min_events: int = 10
    horizon_days: int = 14
    users_a_batch: int = 24
    negatives: int = 512
    epochs: float = 40.0
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=150, learning_rate=1e-3, warmup_steps=20, validate_every=50, patience=3
        )
    )


@dataclass(frozen=True)
class Batch:
    """T = L + 1 positions: the first reads the start token, the next ``items_BL[:, 0]``, and so on.

    ``targets_BT``, and whether there is one, ``has_BT``.
    """

    items_BL: torch.Tensor
    targets_BT: torch.Tensor
    has_BT: torch.Tensor
    negatives_S: torch.Tensor


class Model(VectorFamily):
    """State: the network's weights. A user's vector is the last hidden state, then 1; an item's is
    its embedding, then its bias, which starts as the logarithm of its popularity."""

    config: Config

    def fit(self, split: Split, bench: Bench) -> None:
        torch.manual_seed(bench.seed)
        share_I = torch.from_numpy(popularity(split.train, POPULARITY_DAYS))
        sampler = Sampler(split.train, self.config, bench.seed, bench.device)
        row_I = torch.from_numpy(embedding_rows(split.train, self.config.min_events))
        self.network = Network(self.config, int(row_I.max()) + 1, split.train.item_count)
        with torch.no_grad():
            warm_RD = warm_embeddings(split.train, row_I.numpy(), self.config)
            self.network.embedding.weight[:, : warm_RD.shape[1]] = torch.from_numpy(warm_RD)
            self.network.bias_I1[:, 0] = (share_I + 0.1 / len(split.train.items_N)).log()
            self.network.row_I.copy_(row_I)
            self.network.log_chance_I.copy_(sampler.log_chance_I)
        self.network.to(bench.device)
        progress = fit_by_gradient(
            self.network,
            sampler.batch,
            lambda: bench.validate(self.scores),
            self.config.trainer.shortened(sampler.steps_for(self.config.epochs)),
            bench,
        )
        self.tuned = {"steps": progress.best_step}

    @torch.no_grad()
    def user_vectors(self, batch: Histories) -> torch.Tensor:
        newest = batch.latest(self.config.length)
        lengths_B = torch.from_numpy(newest.lengths_U)
        items_BL = torch.zeros(len(newest), max(1, int(lengths_B.max())), dtype=torch.long)
        items_BL[torch.arange(items_BL.shape[1]) < lengths_B[:, None]] = torch.from_numpy(
            newest.items_N.astype(np.int64)
        )
        device = self.network.bias_I1.device
        hidden_BTD = self.network(items_BL.to(device))
        last_BD = hidden_BTD[torch.arange(len(newest), device=device), lengths_B.to(device)]
        return torch.cat([last_BD, torch.ones_like(last_BD[:, :1])], dim=1)

    @torch.no_grad()
    def item_vectors(self) -> torch.Tensor:
        """The bias counts from its mean: as a logarithm of a share it would outweigh the rest."""
        bias_I1 = self.network.bias_I1 - self.network.bias_I1.mean()
        return torch.cat([self.network.embedding(self.network.row_I), bias_I1], dim=1)

    def learned_items(self) -> torch.Tensor:
        return self.network.row_I > 0

    def state(self) -> State:
        return {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}

    def load_state(self, state: State) -> None:
        rows, items = len(state["embedding.weight"]), len(state["bias_I1"])
        self.network = Network(self.config, rows, items)
        self.network.load_state_dict(state)
        self.network.eval()


class Network(nn.Module):
    """The Transformer: items in, one hidden state a position out."""

    def __init__(self, config: Config, row_count: int, item_count: int) -> None:
        super().__init__()
        dimensions = config.dimensions
        self.embedding = nn.Embedding(row_count, dimensions)
        self.position_TD = nn.Parameter(torch.zeros(config.length + 1, dimensions))
        self.start_D = nn.Parameter(torch.zeros(dimensions))
        self.bias_I1 = nn.Parameter(torch.zeros(item_count, 1))
        self.row_I: torch.Tensor
        self.log_chance_I: torch.Tensor
        self.register_buffer("row_I", torch.zeros(item_count, dtype=torch.long))
        self.register_buffer("log_chance_I", torch.zeros(item_count))
        self.blocks = nn.ModuleList(
            Block(dimensions, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(dimensions)
        self.sum_weight = nn.Parameter(torch.tensor(SUM_WEIGHT * dimensions / row_count))
        nn.init.constant_(self.norm.weight, 0.1)
        nn.init.normal_(self.embedding.weight, std=0.1 * dimensions**-0.5)
        nn.init.normal_(self.position_TD, std=0.02)

    def embed(self, items: torch.Tensor) -> torch.Tensor:
        """Embeddings of items, of any shape."""
        return self.embedding(self.row_I[items])

    def forward(self, items_BL: torch.Tensor) -> torch.Tensor:
        """hidden_BTD: state t has read the start token and the first t items."""
        start_B1D = self.start_D.expand(len(items_BL), 1, -1)
        items_BLD = self.embed(items_BL)
        read_BTD = torch.cat([start_B1D, items_BLD], dim=1)
        hidden_BTD = self.dropout(read_BTD + self.position_TD[: read_BTD.shape[1]])
        for block in self.blocks:
            hidden_BTD = block(hidden_BTD)
        counts_L1 = torch.arange(1, items_BL.shape[1] + 1, device=items_BL.device)[:, None]
        sums_BLD = items_BLD.cumsum(dim=1) / counts_L1.sqrt()
        sums_BTD = F.pad(sums_BLD, (0, 0, 1, 0))  # nothing was read yet at the start token
        return self.norm(hidden_BTD) + self.sum_weight * sums_BTD

    def loss(self, batch: Batch) -> torch.Tensor:
        """Softmax cross-entropy of each target against the shared negatives, logQ-corrected."""
        hidden_PD = self(batch.items_BL)[batch.has_BT]
        targets_P = batch.targets_BT[batch.has_BT]
        positive_P = (hidden_PD * self.embed(targets_P)).sum(1) + self._offset(targets_P)
        negative_PS = hidden_PD @ self.embed(batch.negatives_S).T + self._offset(batch.negatives_S)
        same_PS = targets_P[:, None] == batch.negatives_S
        others_P = negative_PS.masked_fill(same_PS, -torch.inf).float().logsumexp(dim=1)
        return F.softplus(others_P - positive_P.float()).mean()

    def _offset(self, items: torch.Tensor) -> torch.Tensor:
        return self.bias_I1[items, 0] - self.log_chance_I[items]


class Block(nn.Module):
    """Causal self-attention and a feed-forward layer, each normalised first and added back."""

    def __init__(self, dimensions: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dimensions)
        self.forward_norm = nn.LayerNorm(dimensions)
        self.query_key_value = nn.Linear(dimensions, 3 * dimensions)
        self.out = nn.Linear(dimensions, dimensions)
        self.feed_forward = nn.Sequential(
            nn.Linear(dimensions, 2 * dimensions), nn.GELU(), nn.Linear(2 * dimensions, dimensions)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_BTD: torch.Tensor) -> torch.Tensor:
        hidden_BTD = hidden_BTD + self.dropout(self._attend(self.attention_norm(hidden_BTD)))
        return hidden_BTD + self.dropout(self.feed_forward(self.forward_norm(hidden_BTD)))

    def _attend(self, hidden_BTD: torch.Tensor) -> torch.Tensor:
        size, length, dimensions = hidden_BTD.shape
        parts = self.query_key_value(hidden_BTD).view(size, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each B, heads, T, D / heads
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(size, length, dimensions))


def warm_embeddings(train: Histories, row_I: IntArray, config: Config) -> FloatArray:
    """The leading right singular vectors of users x embedding rows, each element about D^-0.5.

    Fewer than the dimensions where there are few users or rows; none for a catalogue of one item.
    """
    decayed_N = train.weights_N * 0.5 ** (train.ages_N / HALF_LIFE_DAYS)
    counts = train.matrix(decayed_N)
    kept_I = (row_I > 0).astype(np.float32)  # the shared row starts at zero: it says nothing yet
    to_rows = sp.csr_matrix((kept_I, row_I, np.arange(len(row_I) + 1)))
    counts = (counts @ to_rows).log1p()
    rank = min(config.dimensions, min(counts.shape) - 1)
    if rank < 1:
        return np.zeros((counts.shape[1], 0), np.float32)
    _, _, right_DR = svds(counts, rank, v0=np.ones(min(counts.shape)))
    scale = np.sqrt(counts.shape[1] / config.dimensions)
    return np.ascontiguousarray(right_DR[::-1].T * scale, dtype=np.float32)


def embedding_rows(train: Histories, min_events: int) -> IntArray:
    """For each item the row of its embedding; row 0 is shared by the rare ones."""
    frequent_I = (train.counts_I() >= min_events).astype(np.int64)
    return np.cumsum(frequent_I) * frequent_I


class Sampler:
    """Draws batches: windows of users' histories, and for each position something later."""

    def __init__(self, train: Histories, config: Config, seed: int, device: torch.device) -> None:
        self.train, self.config, self.seed, self.device = train, config, seed, device
        rows_N = train.rows_N
        self.first_N = train.starts_U1[rows_N]
        # One sorted key of user and time finds each event's user's events of (now, now + horizon].
        span = int(train.times_N.max() - train.times_N.min()) + (config.horizon_days + 1) * DAY
        times_N = train.times_N - train.times_N.min()
        key_N = rows_N * span + times_N
        self.later_N = np.searchsorted(key_N, key_N, side="right")
        self.until_N = np.searchsorted(key_N, key_N + config.horizon_days * DAY, side="right")
        chance_I = train.counts_I() ** 0.75
        chance_I /= chance_I.sum()
        self.cumulative_I = np.cumsum(chance_I)
        self.log_chance_I = torch.from_numpy(
            np.log(np.maximum(chance_I * config.negatives, 1e-12)).astype(np.float32)
        )

    def steps_for(self, epochs: float) -> int:
        """Steps in which as many positions are read as ``epochs`` passes over the events have."""
        events = len(self.train.items_N)
        a_batch = self.config.users_a_batch * min(self.config.length, events / len(self.train))
        return int(np.ceil(epochs * events / a_batch))

    def batch(self, step: int) -> Batch:
        """The batch of a step: windows that end at events drawn evenly from all."""
        random = np.random.default_rng([self.seed, step])
        size, length = self.config.users_a_batch, self.config.length
        last_B = random.integers(0, len(self.train.items_N), size)
        start_B = np.maximum(self.first_N[last_B], last_B - length + 1)
        events_BL = start_B[:, None] + np.arange(int((last_B - start_B).max()) + 1)
        inside_BL = events_BL <= last_B[:, None]
        events_BL = np.minimum(events_BL, last_B[:, None])
        later_BL, until_BL = self.later_N[events_BL], self.until_N[events_BL]
        # The start token predicts any event of the window: who comes, before anything is read.
        first_B1, past_B1 = start_B[:, None], last_B[:, None] + 1
        from_BT = np.concatenate([first_B1, later_BL], axis=1)
        to_BT = np.concatenate([past_B1, until_BL], axis=1)
        has_BT = (from_BT < to_BT) & np.concatenate([np.ones((size, 1), bool), inside_BL], axis=1)
        picked_BT = random.integers(from_BT, np.maximum(to_BT, from_BT + 1))
        negatives_S = np.searchsorted(self.cumulative_I, random.random(self.config.negatives))
        return Batch(
            self._items(events_BL * inside_BL),
            self._items(np.where(has_BT, picked_BT, 0)),
            torch.from_numpy(has_BT).to(self.device),
            torch.from_numpy(np.minimum(negatives_S, self.train.item_count - 1)).to(self.device),
        )

    def _items(self, events: IntArray) -> torch.Tensor:
        return torch.from_numpy(self.train.items_N[events].astype(np.int64)).to(self.device)
