"""CNN-LSTM: a convolution over consecutive events, max pooling, and an LSTM.

Embedding, convolution, pooling, LSTM and a dense layer, trained end to end to classify which
interests a user will act on; the convolution before an LSTM as for sentences (Zhou et al. 2015,
C-LSTM) and for sensors (Ordóñez & Roggen 2016, DeepConvLSTM). The loss is the cross-entropy of each
interest. An event is read as its item's embedding beside its age; embeddings start as the singular
vectors of users x items. A batch is of users at moments drawn from the training data, and the
labels are their events of the fortnight after. The dense layer reads the LSTM's last state plus the
mean of all: with the last alone it learned too little in the main job's seconds. Probabilities are
calibrated on the validation window.

It ranks items by their expected purchases: the probability that the item's interest is acted on,
times the items bought of it then, times the item's share in the user's recent events of that
interest, smoothed by the global share (Dirichlet prior, Zhai &
Lafferty 2001). One more output is for items of no interest.
"""

from dataclasses import dataclass, field

import numpy as np
import structlog
import torch
from torch import nn
from torch.nn import functional as F

from penchant.errors import DataError
from training.data.histories import Histories, IntArray
from training.data.interest_labels import NO_INTEREST, cut_points, find_interests, known, one_hot
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.fitting.parent import Parent
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.moments import NO_ITEM, Batch, Moments, Read, read_histories
from training.layers.popularity import popularity
from training.layers.probe import calibrated, no_interests
from training.layers.sequences.inputs import embedding_rows, warm_embeddings

NOTHING = 0  # the embedding that is read before the first event
AGES_DAYS = (3.0, 14.0, 60.0)  # half-lives of the three features of an event's age
POPULARITY_DAYS = 90.0
RARE = 1e-9  # share added to all, so that every interest has something to share
USERS_AT_ONCE = 512

log = structlog.get_logger()


@dataclass(frozen=True)
class Config:
    """``length``: events read, the newest. ``width``: of the convolution, events; ``pool``: events
    that become one step of the LSTM. ``days``: at the end of the training data, in which users
    are cut. ``half_life_days``: of events, for ranking; ``priors``: of the smoothing, in
    purchases, tuned on validation."""

    dimensions: int = 32
    channels: int = 64
    hidden: int = 64
    length: int = 128
    width: int = 5
    pool: int = 8
    dropout: float = 0.1
    min_events: int = 10
    days: float = 180.0
    users_a_batch: int = 128
    half_life_days: float = 60.0
    priors: tuple[float, ...] = (0.3, 3.0)
    epochs: float = 20.0
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(steps=140, learning_rate=1e-2, validate_every=70)
    )


class Model(Ranker):
    """State: the network's weights, and counts for ranking. Where the catalogue has no interests
    it only ranks: all items belong to the last output, that of no interest."""

    config: Config

    def fit(self, split: Split, context: TrainingContext) -> None:
        torch.manual_seed(context.seed)
        config, train = self.config, split.train
        row_I = torch.from_numpy(embedding_rows(train, config.min_events))
        output_I, outputs = _outputs(split, context)
        self.network = Network(config, int(row_I.max()) + 1, train.item_count, outputs)
        self.network.start_from(train, row_I, torch.from_numpy(output_I), context.parent)
        self.network.to(context.device)
        moments = Moments(
            train, output_I, outputs, config.days, config.length, context.seed, context.device
        )
        window = known(split.validation)
        label_UO = torch.from_numpy(_bought(window.targets, output_I, outputs) > 0).float()
        steps = moments.steps_for(config.epochs, config.users_a_batch)
        progress = fit_by_gradient(
            self.network,
            lambda step: moments.batch(step, config.users_a_batch),
            lambda: (
                -F.binary_cross_entropy_with_logits(self._logits(window.histories), label_UO).item()
            ),
            config.trainer.shortened(steps).from_parent(context.parent),
            context,
            figure="validation_log_likelihood",
        )
        slope_O, shift_O = calibrated(self._logits(window.histories), label_UO)
        self.network.calibration_2O.copy_(torch.stack([slope_O, shift_O]))
        self.observe(train)
        self.tuned = progress.record() | self._tune_prior(context)

    def _tune_prior(self, context: TrainingContext) -> dict[str, float]:
        found = {}
        for step, prior in enumerate(self.config.priors):
            self.network.prior.fill_(prior)
            found[prior] = context.validate(self.scores)
            context.curve("validation_ndcg@10_by_prior", step, found[prior])
        best = max(found, key=found.__getitem__)
        self.network.prior.fill_(best)
        return {"prior": best}

    def observe(self, histories: Histories) -> None:
        """Update shares of items."""
        output_I = self.network.output_I.cpu().numpy()
        columns = one_hot(output_I, self.network.outputs)
        share_I = popularity(histories, POPULARITY_DAYS) + RARE
        share_I /= (share_I @ columns)[output_I]
        self.network.share_I.copy_(torch.from_numpy(share_I))

    def interests(self, batch: Histories) -> torch.Tensor:
        if self.network.outputs == 1:
            raise no_interests()
        return self._probabilities(batch)[:, :-1]

    @torch.no_grad()
    def scores(self, batch: Histories) -> torch.Tensor:
        network, config = self.network, self.config
        output_I = network.output_I.cpu()
        lately = batch.matrix(batch.weights_N * 0.5 ** (batch.ages_N / config.half_life_days))
        own_BO = torch.from_numpy((lately @ one_hot(output_I.numpy(), network.outputs)).toarray())
        expected_BO = self._probabilities(batch).cpu() * network.items_O.cpu()
        prior = network.prior.item()
        factor_BI = (expected_BO / (own_BO + prior))[:, output_I]
        own_BI = torch.from_numpy(lately.toarray())
        return own_BI.add_(prior * network.share_I.cpu()).mul_(factor_BI)

    def _probabilities(self, batch: Histories) -> torch.Tensor:
        """probability_BO; for unknown users, the shares of all."""
        slope_O, shift_O = self.network.calibration_2O.cpu()
        calibrated_BO = torch.sigmoid(self._logits(batch) * slope_O + shift_O)
        known_B1 = torch.from_numpy(batch.lengths_U > 0)[:, None]
        return torch.where(known_B1, calibrated_BO, self.network.rate_O.cpu())

    @torch.no_grad()
    def _logits(self, histories: Histories) -> torch.Tensor:
        device = self.network.share_I.device
        logits = [
            self.network(read_histories(part, self.config.length).to(device)).cpu()
            for part in histories.parts(USERS_AT_ONCE)
        ]
        return torch.cat(logits)

    def state(self) -> State:
        return {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}

    def load_state(self, state: State) -> None:
        rows, items = len(state["embedding.weight"]) - 1, len(state["share_I"])
        self.network = Network(self.config, rows, items, len(state["rate_O"]))
        self.network.load_state_dict(state)
        self.network.eval()


class Network(nn.Module):
    """Logits of the O outputs: one for each interest, and one for all other items together."""

    def __init__(self, config: Config, row_count: int, item_count: int, outputs: int) -> None:
        super().__init__()
        self.config, self.outputs = config, outputs
        self.embedding = nn.Embedding(row_count + 1, config.dimensions, padding_idx=NOTHING)
        self.convolution = nn.Conv1d(
            config.dimensions + len(AGES_DAYS), config.channels, config.width, padding="same"
        )
        self.pool = nn.MaxPool1d(config.pool)
        self.lstm = nn.LSTM(config.channels, config.hidden, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden, outputs)
        for name, start in (
            ("row_I", torch.zeros(item_count, dtype=torch.long)),
            ("output_I", torch.zeros(item_count, dtype=torch.long)),
            ("share_I", torch.zeros(item_count)),
            ("rate_O", torch.zeros(outputs)),
            ("items_O", torch.zeros(outputs)),
            ("calibration_2O", torch.tensor([[1.0], [0.0]]).repeat(1, outputs)),
            ("prior", torch.zeros(())),
        ):
            self.register_buffer(name, start)
        self.row_I: torch.Tensor
        self.output_I: torch.Tensor
        self.share_I: torch.Tensor
        self.rate_O: torch.Tensor
        self.items_O: torch.Tensor
        self.calibration_2O: torch.Tensor
        self.prior: torch.Tensor

    @torch.no_grad()
    def start_from(
        self,
        train: Histories,
        row_I: torch.Tensor,
        output_I: torch.Tensor,
        parent: Parent | None = None,
    ) -> None:
        """Initialize from the data, with the shares of users who act, or from a parent's
        weights."""
        self.row_I.copy_(row_I)
        self.output_I.copy_(output_I)
        bought_NO = torch.from_numpy(
            np.concatenate(
                [
                    _bought(window.targets, output_I.numpy(), self.outputs)
                    for window in cut_points(train)
                ]
            )
        )
        acted_O = (bought_NO > 0).sum(dim=0)
        self.rate_O.copy_((acted_O + 0.5) / (len(bought_NO) + 1))
        self.items_O.copy_(bought_NO.sum(dim=0) / acted_O.clamp(min=1))
        if parent:
            parent.require_equal("output_I", output_I)
            parent.continue_in(self, {"embedding.weight": 1})
            return
        self.dense.bias.copy_(torch.logit(self.rate_O))
        warm_RD = warm_embeddings(train, row_I.numpy(), self.config.dimensions)
        self.embedding.weight[1:, : warm_RD.shape[1]] = torch.from_numpy(warm_RD)

    def forward(self, read: Read) -> torch.Tensor:
        """logits_BO"""
        has_BL = read.items_BL != NO_ITEM
        rows_BL = torch.where(has_BL, self.row_I[read.items_BL.clamp(min=0)] + 1, NOTHING)
        ages_BLA = torch.stack(
            [has_BL * torch.exp2(-read.ages_BL / days) for days in AGES_DAYS], dim=2
        )
        read_BLD = torch.cat([self.dropout(self.embedding(rows_BL)), ages_BLA], dim=2)
        found_BKC = torch.relu(self.convolution(read_BLD.transpose(1, 2)))
        hidden_BTH, _ = self.lstm(self.pool(found_BKC).transpose(1, 2))
        hidden_BH = hidden_BTH[:, -1] + hidden_BTH.mean(dim=1)
        logits_BO: torch.Tensor = self.dense(self.dropout(hidden_BH))
        return logits_BO

    def loss(self, batch: Batch) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(self(batch.read).float(), batch.label_BC)


def _outputs(split: Split, context: TrainingContext) -> tuple[IntArray, int]:
    """The output of each item, and how many there are: interests, then one for the rest."""
    try:
        interests = find_interests(context.items, split.train)
    except DataError as error:
        log.warning("no interests are learned", cause=error.cause)
        return np.zeros(split.train.item_count, np.int64), 1
    output_I = interests.interest_I.copy()
    output_I[output_I == NO_INTEREST] = len(interests)
    return output_I, len(interests) + 1


def _bought(targets: Histories, output_I: IntArray, outputs: int) -> np.ndarray:
    """items_UO: how many different items of each output each user bought."""
    different = targets.matrix(targets.weights_N)
    different.data[:] = 1
    return (different @ one_hot(output_I, outputs)).toarray()
