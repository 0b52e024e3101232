"""Mult-VAE: a variational autoencoder of a user's items, with a multinomial likelihood (Liang et
al. 2018).

The encoder maps a bag of items to a normal distribution over states; the decoder maps a sampled
state to a softmax over the catalogue. The loss is the softmax's cross-entropy plus beta times the
KL divergence from a standard normal, with beta annealed from 0.

Changes to the paper. The input is weighted by recency and the target is a later event, where the
paper reconstructs its input: it trains the task that it is evaluated on. Encoder and decoder share
one table of item embeddings, which starts as the singular vectors of users x items, and the layers
between are residual and start at zero: training starts from PureSVD (Cremonesi et al. 2010). On
Amazon Beauty that start has an NDCG@10 of .025 on validation, and 600 steps later it is .054.
Scores are cosines of state and item over a temperature. The softmax is sampled, with the logQ
correction (softmax.py).

To generate a user, a state is sampled and decoded, and the items of each visit are sampled from the
softmax. States come from a normal distribution fitted afterwards to the encoded training users, as
in Ghosh et al. 2020: training does not make them standard normal. The times and sizes of visits
come from temporal_profile.py.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training.data.histories import Histories
from training.data.split import Split
from training.evaluation.metrics.full_ranking import Scorer
from training.fitting import exported_encoder as encoder
from training.fitting.context import TrainingContext
from training.fitting.family import State, VectorFamily, scorer_of_rows
from training.fitting.parent import Parent
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.generation.deduplication import HistorySampler, without_sampler
from training.layers.generation.draws import sample_distinct
from training.layers.generation.temporal_profile import Schedule
from training.layers.popularity import popularity
from training.layers.probe import Probe, fit_probe, without_probe
from training.layers.sequences.cuts import Bags, Batch, Cuts, CutsConfig, bags
from training.layers.sequences.inputs import embedding_rows, warm_embeddings
from training.layers.sequences.softmax import softmax_loss

POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1.0  # orders items for an unknown user
FIRST_LOG_VARIANCE = -4.0
USERS_AT_ONCE = 64


@dataclass(frozen=True)
class Config:
    """``beta``: weight of the divergence after ``annealing_steps``. ``input_dropout``: of events.
    ``temperature``: of the cosine. Items of fewer than ``min_events`` share one embedding and
    differ by popularity alone."""

    dimensions: int = 64
    beta: float = 0.02
    annealing_steps: int = 500
    input_dropout: float = 0.3
    temperature: float = 0.1
    min_events: int = 10
    epochs: float = 10.0
    cuts: CutsConfig = field(default_factory=CutsConfig)
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(steps=200, learning_rate=1e-3, validate_every=100)
    )


class Model(VectorFamily):
    """State: the network's weights, the probe's, and the history sampler's. A user's vector is
    the decoder's last hidden state, then 1; an item's is its embedding, then its weighted
    popularity, for users without history. A probe of user vectors classifies interests."""

    config: Config
    rejected = 0

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.fit_generator(split, context)
        self.probe, self.habits = fit_probe(self.user_vectors, split, context)
        self.tuned |= self.probe.record()

    def fit_generator(self, split: Split, context: TrainingContext) -> None:
        torch.manual_seed(context.seed)
        config, train = self.config, split.train
        row_I = torch.from_numpy(embedding_rows(train, config.min_events))
        self.network = Network(config, int(row_I.max()) + 1, train.item_count)
        self.network.start_from(train, row_I, context.parent)
        self.network.to(context.device)
        cuts = Cuts(train, config.cuts, context.seed, context.device)
        progress = fit_by_gradient(
            self.network,
            cuts.batch,
            lambda: context.validate(self.scorer()),
            config.trainer.shortened(cuts.steps_for(config.epochs)).from_parent(context.parent),
            context,
        )
        self.tuned = progress.record()
        known = train.take(np.flatnonzero(train.lengths_U))
        self.network.fit_state_distribution(bags(known, config.cuts, context.device))
        self.sampler = HistorySampler.of(train)

    def interests(self, batch: Histories) -> torch.Tensor:
        return self.probe.probabilities(self.user_vectors, batch)

    @torch.no_grad()
    def user_vectors(self, batch: Histories) -> torch.Tensor:
        history = bags(batch, self.config.cuts, self.network.popularity_I.device)
        hidden_BD = self.network.decoded(self.network.encoded(history)[0])
        hidden_BD = (
            hidden_BD * (history.lengths_B > 0)[:, None]
        )  # without history: popularity alone
        return torch.cat([hidden_BD, torch.ones_like(hidden_BD[:, :1])], dim=1)

    @torch.no_grad()
    def item_vectors(self) -> torch.Tensor:
        share_I = POPULARITY_SHARE * self.network.popularity_I
        items_I = torch.arange(len(share_I), device=share_I.device)
        return torch.cat([self.network.targets(items_I), share_I[:, None]], dim=1)

    def scorer(self) -> Scorer:
        """Scores each embedding once: rare items share one."""
        network = self.network
        rows_RD = F.normalize(network.embedding_RD.detach(), dim=1)
        share_I = POPULARITY_SHARE * network.popularity_I
        return scorer_of_rows(self.user_vectors, rows_RD, network.row_I, share_I)

    def learned_items(self) -> torch.Tensor:
        return self.network.row_I > 0

    def exported(self) -> encoder.Encoder:
        cuts = self.config.cuts
        return encoder.program(ExportedEncoder(self.network), cuts.length, cuts.half_life_days)

    def generate(self, count: int, seed: int) -> Histories:
        generated, self.rejected = self.sampler.generate(self._sample_items, count, seed)
        return generated

    def _sample_items(self, schedule: Schedule, generator: torch.Generator) -> torch.Tensor:
        network, count = self.network.cpu(), len(schedule.starts_B1) - 1
        state_BD = network.sample_states(count, generator)
        items = [torch.zeros(0, dtype=torch.long)]
        for first in range(0, count, USERS_AT_ONCE):
            rows_B = np.arange(first, min(first + USERS_AT_ONCE, count))
            part = schedule.take(rows_B)
            owner_V = np.repeat(np.arange(len(rows_B)), np.diff(part.starts_B1))
            probability_BI = network.probabilities(state_BD[rows_B])
            visits = torch.from_numpy(owner_V), torch.from_numpy(part.sizes_V)
            items.append(sample_distinct(probability_BI, *visits, generator))
        return torch.cat(items)

    def state(self) -> State:
        weights = {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}
        return weights | self.probe.state() | self.sampler.state()

    def load_state(self, state: State) -> None:
        self.probe, state = Probe.of(state), without_probe(state)
        rows, items = len(state["embedding_RD"]), len(state["popularity_I"])
        self.network = Network(self.config, rows, items)
        self.network.load_state_dict(without_sampler(state))
        self.network.eval()
        self.sampler = HistorySampler.load(state)


class ExportedEncoder(nn.Module):
    """The encoder that serving runs: one history to a user vector."""

    def __init__(self, network: "Network") -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        items_L: torch.Tensor,
        weights_L: torch.Tensor,
        ages_L: torch.Tensor,
        types_L: torch.Tensor,
    ) -> torch.Tensor:
        count_1 = torch.ones_like(items_L).sum()[None]
        history = Bags(items_L, weights_L / weights_L.sum().clamp(min=1e-30), count_1)
        state_D = self.network.decoded(self.network.encoded(history)[0])[0]
        return torch.cat([state_D * (count_1 > 0), torch.ones_like(state_D[:1])])


class Network(nn.Module):
    """Encoder and decoder around one table of embeddings."""

    def __init__(self, config: Config, row_count: int, item_count: int) -> None:
        super().__init__()
        self.config = config
        dimensions, hidden = config.dimensions, 2 * config.dimensions
        self.embedding_RD = nn.Parameter(0.02 * torch.randn(row_count, dimensions))
        self.hidden = nn.Linear(dimensions, hidden)
        self.mean = nn.Linear(hidden, dimensions)
        self.log_variance = nn.Linear(hidden, dimensions)
        self.decoder_hidden = nn.Linear(dimensions, hidden)
        self.decoder_out = nn.Linear(hidden, dimensions)
        for layer in (self.mean, self.decoder_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.log_variance.bias, FIRST_LOG_VARIANCE)
        self.row_I: torch.Tensor
        self.popularity_I: torch.Tensor
        self.register_buffer("row_I", torch.zeros(item_count, dtype=torch.long))
        self.register_buffer("popularity_I", torch.zeros(item_count))
        self.state_mean_D: torch.Tensor
        self.state_root_DD: torch.Tensor
        self.register_buffer("state_mean_D", torch.zeros(dimensions))
        self.register_buffer("state_root_DD", torch.eye(dimensions))

    @torch.no_grad()
    def start_from(
        self, train: Histories, row_I: torch.Tensor, parent: Parent | None = None
    ) -> None:
        """Initialize from the data, or from a parent's weights."""
        self.row_I.copy_(row_I)
        self.popularity_I.copy_(torch.from_numpy(popularity(train, POPULARITY_DAYS)))
        if parent:
            parent.continue_in(self, {"embedding_RD": 0})
            return
        warm_RD = warm_embeddings(train, row_I.numpy(), self.config.dimensions)
        self.embedding_RD[:, : warm_RD.shape[1]] = torch.from_numpy(warm_RD)

    def encoded(self, history: Bags) -> tuple[torch.Tensor, torch.Tensor]:
        """mean_BD and log_variance_BD of a user's state."""
        read = Bags(self.row_I[history.items_N], history.weights_N, history.lengths_B)
        user_BD = F.normalize(read.mean(self.embedding_RD), dim=1) * self.config.dimensions**0.5
        hidden_BH = torch.tanh(self.hidden(user_BD))
        return user_BD + self.mean(hidden_BH), self.log_variance(hidden_BH)

    def decoded(self, state_BD: torch.Tensor) -> torch.Tensor:
        """The last hidden state, scaled for the product with items."""
        hidden_BH = torch.tanh(self.decoder_hidden(state_BD))
        state_BD = state_BD + self.decoder_out(hidden_BH)
        return F.normalize(state_BD, dim=1) / self.config.temperature

    def targets(self, items_C: torch.Tensor) -> torch.Tensor:
        """Embeddings of items, scaled for the product with states."""
        return F.normalize(self.embedding_RD[self.row_I[items_C]], dim=1)

    @torch.no_grad()
    def fit_state_distribution(self, history: Bags) -> None:
        """Set the mean and the root of the covariance of states to these users'."""
        mean_BD, log_variance_BD = (part.double() for part in self.encoded(history))
        covariance_DD = torch.cov(mean_BD.T, correction=0) + log_variance_BD.exp().mean(0).diag()
        values_D, directions_DD = torch.linalg.eigh(covariance_DD)
        self.state_mean_D.copy_(mean_BD.mean(dim=0))
        self.state_root_DD.copy_(directions_DD * values_D.clamp(min=0).sqrt() @ directions_DD.T)

    def sample_states(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """state_BD of synthetic users."""
        normal_BD = torch.randn(count, len(self.state_mean_D), generator=generator)
        return self.state_mean_D + normal_BD @ self.state_root_DD

    def probabilities(self, state_BD: torch.Tensor) -> torch.Tensor:
        """probability_BI of each item. Rare items share an embedding: their probability is divided
        by popularity, and items that nobody bought get none."""
        items_I = torch.arange(len(self.row_I))
        probability_BI = torch.softmax(self.decoded(state_BD) @ self.targets(items_I).T, dim=1)
        rare_I = self.popularity_I * (self.row_I == 0)
        rare_B1 = probability_BI[:, rare_I > 0].sum(dim=1, keepdim=True)
        return probability_BI * (self.row_I > 0) + rare_B1 * rare_I / rare_I.sum().clamp(min=1e-30)

    def loss(self, batch: Batch) -> torch.Tensor:
        config = self.config
        mean_BD, log_variance_BD = self.encoded(batch.history.dropped(config.input_dropout))
        noise_BD = torch.randn_like(mean_BD) * (0.5 * log_variance_BD).exp()
        excess_BD = mean_BD.square() + log_variance_BD.exp() - log_variance_BD - 1
        beta = config.beta * min(1.0, batch.step / config.annealing_steps)
        return 0.5 * beta * excess_BD.sum(1).mean() + softmax_loss(
            self.decoded(mean_BD + noise_BD).float(),
            self.targets(batch.candidates_C).float(),
            torch.zeros_like(batch.log_chance_C),
            batch.log_chance_C,
            batch.target_B,
        )
