"""Neural collaborative filtering, NeuMF: a weighted dot product beside a small network that reads
user and item, both added up (He et al. 2017).

The paper learns an embedding of each user. Here new users and purchases must count without
training: a user is the mean of the embeddings of the items of the
history, weighted by recency. Three more changes keep the ranking of a whole catalogue cheap and the
learning short. The network's first layer, linear in user and item, is the sum of a part of each: so
a pair costs an addition, a rectifier and a weighted sum. The loss is a softmax over the targets and
the negatives of a batch, shared and corrected for how they were drawn, in the place of a logistic
loss on a few negatives a pair. Embeddings are scaled to length 1 and start as the singular
vectors of users x items, the network's part of a score at zero: training starts from PureSVD
(Cremonesi et al. 2010). Left at their own length, and with a bias for popularity, training lost
from where it started.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from penchant.artifacts import Mechanism
from training.data.histories import Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.fitting.parent import Parent
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.popularity import popularity
from training.layers.sequences.cuts import Bags, Batch, Cuts, CutsConfig, bags
from training.layers.sequences.inputs import embedding_rows, warm_embeddings
from training.privacy.accounting import Guarantee, calibrated
from training.privacy.gradient import Example, fit_privately
from training.privacy.noise import Noise
from training.privacy.statistics import noisy_popularity

POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1.0  # orders items for an unknown user
COUNTING = Mechanism(noise_multiplier=10)  # beside 1 of a step: which items have embeddings
ITEMS_A_BLOCK = 512  # whose pairs with a batch of users are in memory at once


@dataclass(frozen=True)
class Config:
    """``dimensions``: of the dot product's and of the network's embeddings each; ``hidden``: of
    the network. ``scale``: of the dot product at the start, a cosine's share of a logit. Items of
    fewer than ``min_events`` share one embedding; they differ by popularity alone.

    Under ``privacy`` the ``private_items`` of the noisiest count have an embedding of their own.
    ``private_steps`` are made, each with a share ``private_sample`` of the users and the mean loss
    of ``private_cuts`` of each. Embeddings start at random: singular vectors are of the data.
    """

    dimensions: int = 64
    hidden: int = 8
    scale: float = 12.0
    min_events: int = 10
    input_dropout: float = 0.2
    epochs: float = 10.0
    cuts: CutsConfig = field(default_factory=CutsConfig)
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(steps=160, learning_rate=1e-3, validate_every=160)
    )
    private_items: int = 1000
    private_steps: int = 60
    private_sample: float = 0.1
    private_cuts: int = 4
    private_learning_rate: float = 3e-3
    privacy: Guarantee | None = None


class Model(Ranker):
    """State: the network's weights."""

    config: Config

    def mechanisms(self) -> tuple[Mechanism, ...]:
        config = self.config
        steps = Mechanism(
            noise_multiplier=1, sample_rate=config.private_sample, steps=config.private_steps
        )
        return calibrated((COUNTING, steps), config.privacy)

    def fit(self, split: Split, context: TrainingContext) -> None:
        torch.manual_seed(context.seed)
        if self.config.privacy:
            self._fit_privately(split.train, context, Noise())
            return
        config, train = self.config, split.train
        row_I = torch.from_numpy(embedding_rows(train, config.min_events))
        self.network = Network(config, int(row_I.max()) + 1, train.item_count)
        self.network.start_from(train, row_I, context.parent)
        self.network.to(context.device)
        cuts = Cuts(train, config.cuts, context.seed, context.device)
        progress = fit_by_gradient(
            self.network,
            cuts.batch,
            lambda: context.validate(self.scores),
            config.trainer.shortened(cuts.steps_for(config.epochs)).from_parent(context.parent),
            context,
        )
        self.tuned = progress.record()

    def _fit_privately(self, train: Histories, context: TrainingContext, noise: Noise) -> None:
        config, (counting, steps) = self.config, self.mechanisms()
        popularity_I = noisy_popularity(train, POPULARITY_DAYS, counting, noise)
        own = min(config.private_items, len(popularity_I))
        row_I = np.zeros(len(popularity_I), np.int64)
        row_I[np.argsort(-popularity_I)[:own]] = np.arange(1, own + 1)
        self.network = Network(config, own + 1, train.item_count)
        self.network.row_I.copy_(torch.from_numpy(row_I))
        self.network.popularity_I.copy_(torch.from_numpy(popularity_I))
        self.network.without_shared_row()
        cuts = UserCuts(train, row_I, config, noise)
        context.expect(steps.steps)
        fit_privately(
            UserLoss(self.network),
            cuts.examples,
            len(train),
            steps,
            config.private_learning_rate,
            noise,
            lambda _: context.budget.check(),
        )
        self.network.without_shared_row()  # noise moved it
        self.network.eval()
        self.tuned = {"steps": steps.steps}

    @torch.no_grad()
    def scores(self, batch: Histories) -> torch.Tensor:
        popularity_I = self.network.popularity_I
        history = bags(batch, self.config.cuts, popularity_I.device)
        rows_R = torch.arange(len(self.network.factors_RD), device=popularity_I.device)
        logits_BR = self.network.of_rows(history, rows_R)  # rare items share a row
        scores_BI = logits_BR.index_select(1, self.network.row_I)
        scores_BI *= (history.lengths_B > 0)[:, None]  # without history: popularity alone
        return scores_BI.add_(POPULARITY_SHARE * popularity_I)

    def state(self) -> State:
        return {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}

    def load_state(self, state: State) -> None:
        rows, items = len(state["factors_RD"]), len(state["popularity_I"])
        self.network = Network(self.config, rows, items)
        self.network.load_state_dict(state)
        self.network.eval()


class UserCuts:
    """Draws histories of a user, each with an item that the user had soon after, from the user's
    events alone. Items without a row of their own are no targets."""

    def __init__(self, train: Histories, row_I: IntArray, config: Config, noise: Noise) -> None:
        self.cuts = Cuts(train, config.cuts, 0, torch.device("cpu"))
        self.train, self.row_I, self.noise = train, torch.from_numpy(row_I), noise
        self.each, self.length = config.private_cuts, config.cuts.length
        self.begin_U1 = np.searchsorted(self.cuts.cuts_C, train.starts_U1)

    def examples(self, users_B: IntArray) -> Example:
        """rows_BCL of embeddings with weights_BCL, and target_BC, a row or 0 for none."""
        count_B = np.diff(self.begin_U1)[users_B]
        known_B = np.flatnonzero(count_B)
        owner_M = np.repeat(known_B, self.each)
        place_M = (self.noise.uniform(len(owner_M)) * count_B[owner_M]).astype(np.int64)
        cuts_M = self.cuts.cuts_C[self.begin_U1[users_B[owner_M]] + place_M]
        target_M = self.row_I[self.cuts.targets(cuts_M, self.noise.uniform(len(cuts_M)))]
        history = self.cuts.history(cuts_M)
        lengths = history.lengths_B.tolist()
        rows_ML, weights_ML = (
            padded(values_N.split(lengths), self.length)
            for values_N in (self.row_I[history.items_N], history.weights_N)
        )
        weights_ML *= rows_ML > 0
        shape = len(users_B), self.each
        rows_BCL = torch.zeros(*shape, self.length, dtype=torch.long)
        weights_BCL = torch.zeros(*shape, self.length)
        target_BC = torch.zeros(*shape, dtype=torch.long)
        for whole, part in (
            (rows_BCL, rows_ML),
            (weights_BCL, weights_ML),
            (target_BC, target_M),
        ):
            whole[known_B] = part.view(len(known_B), *whole.shape[1:])
        return rows_BCL, weights_BCL, target_BC


def padded(parts: Sequence[torch.Tensor], length: int) -> torch.Tensor:
    """Parts of at most ``length`` as rows of that length, with zeros behind them."""
    rows = torch.zeros(len(parts), length, dtype=parts[0].dtype if parts else torch.long)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = part
    return rows


class UserLoss(nn.Module):
    """The loss of one user: the mean over the cuts, among all rows of embeddings but the shared."""

    def __init__(self, network: "Network") -> None:
        super().__init__()
        self.network = network

    def forward(
        self, rows_CL: torch.Tensor, weights_CL: torch.Tensor, target_C: torch.Tensor
    ) -> torch.Tensor:
        network = self.network
        logits_CR = network.logits(
            *(
                F.normalize((weights_CL[:, None] @ table_RD[rows_CL])[:, 0], dim=1)
                for table_RD in (network.factors_RD, network.features_RD)
            ),
            *(
                F.normalize(table_RD[1:], dim=1)
                for table_RD in (network.factors_RD, network.features_RD)
            ),
        )
        found_C = F.cross_entropy(logits_CR, (target_C - 1).clamp(min=0), reduction="none")
        return (found_C * (target_C > 0)).mean()


class Network(nn.Module):
    """Logits of items for users with given histories."""

    def __init__(self, config: Config, row_count: int, item_count: int) -> None:
        super().__init__()
        self.config = config
        dimensions, hidden = config.dimensions, config.hidden
        self.factors_RD = nn.Parameter(0.02 * torch.randn(row_count, dimensions))
        self.features_RD = nn.Parameter(0.02 * torch.randn(row_count, dimensions))
        self.weight_D = nn.Parameter(torch.full((dimensions,), config.scale))
        self.of_user = nn.Linear(dimensions, hidden)
        self.of_item = nn.Linear(dimensions, hidden, bias=False)
        self.out_H = nn.Parameter(torch.zeros(hidden))
        self.row_I: torch.Tensor
        self.popularity_I: torch.Tensor
        self.register_buffer("row_I", torch.zeros(item_count, dtype=torch.long))
        self.register_buffer("popularity_I", torch.zeros(item_count))

    @torch.no_grad()
    def start_from(
        self, train: Histories, row_I: torch.Tensor, parent: Parent | None = None
    ) -> None:
        """Initialize from the data, or from a parent's weights."""
        self.row_I.copy_(row_I)
        self.popularity_I.copy_(torch.from_numpy(popularity(train, POPULARITY_DAYS)))
        if parent:
            parent.continue_in(self, {"factors_RD": 0, "features_RD": 0})
            return
        warm_RD = torch.from_numpy(warm_embeddings(train, row_I.numpy(), self.config.dimensions))
        for table_RD in (self.factors_RD, self.features_RD):
            table_RD[:, : warm_RD.shape[1]] = warm_RD

    @torch.no_grad()
    def without_shared_row(self) -> None:
        """Make items without a row of their own count nothing in a history."""
        for table_RD in (self.factors_RD, self.features_RD):
            table_RD[0] = 0

    def forward(self, history: Bags, items_C: torch.Tensor) -> torch.Tensor:
        """logits_BC"""
        return self.of_rows(history, self.row_I[items_C])

    def of_rows(self, history: Bags, rows_C: torch.Tensor) -> torch.Tensor:
        """logits_BC of rows of embeddings."""
        read = Bags(self.row_I[history.items_N], history.weights_N, history.lengths_B)
        factors = _user_and_items(self.factors_RD, read, rows_C)
        features = _user_and_items(self.features_RD, read, rows_C)
        return self.logits(factors[0], features[0], factors[1], features[1])

    def logits(
        self,
        user_BD: torch.Tensor,
        user_features_BD: torch.Tensor,
        item_CD: torch.Tensor,
        item_features_CD: torch.Tensor,
    ) -> torch.Tensor:
        """logits_BC of users and items by their normalized factors and features."""
        logits_BC = (user_BD * self.weight_D) @ item_CD.T
        user_BH, item_CH = self.of_user(user_features_BD), self.of_item(item_features_CD)
        blocks = [
            F.relu(user_BH[:, None] + block_CH) @ self.out_H
            for block_CH in item_CH.split(ITEMS_A_BLOCK)
        ]
        return logits_BC + torch.cat(blocks, dim=1)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Softmax cross-entropy among the candidates; a sampled one counts 1 / chance times."""
        history = batch.history.dropped(self.config.input_dropout)
        logits_BC = self(history, batch.candidates_C).float() - batch.log_chance_C
        own_BC = F.one_hot(batch.target_B, len(batch.candidates_C))
        return F.cross_entropy(logits_BC + own_BC * batch.log_chance_C, batch.target_B)


def _user_and_items(
    table_RD: torch.Tensor, read: Bags, rows_C: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalized vectors of users, the means of their items, and of items."""
    return F.normalize(read.mean(table_RD), dim=1), F.normalize(table_RD[rows_C], dim=1)
