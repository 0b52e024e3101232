"""Gated multimodal units (Arevalo et al. 2017): a user vector from several modalities.

Modalities: behaviour, the mean of the embeddings of bought items; content, the mean of their text
vectors; profile, the columns of the mart `users`; context, the length of the history and the time
of the year and of the week. Each gives a hidden state, and gates that see all modalities weigh them
dimension by dimension. An item is its embedding plus a projection of its text vector. Vectors that
the shop brought, as of images, stand beside the text (layers/modalities.py).

Changes to the paper. The other modalities are added to the behaviour vector, which has no
nonlinearity of its own, and their projection starts at zero: training starts from PureSVD, as in
vae. Scores are cosines over a temperature, plus weighted popularity for users without history.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.nn import functional as F

from training.data.histories import DAY, Histories
from training.data.item_vectors import vectors_of
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import State, VectorFamily
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.modalities import joined
from training.layers.popularity import popularity
from training.layers.probe import Probe, fit_probe, without_probe
from training.layers.sequences.cuts import Bags, Batch, Cuts, CutsConfig, bags
from training.layers.sequences.inputs import embedding_rows, warm_embeddings
from training.layers.sequences.softmax import softmax_loss
from training.layers.text import encode_texts

SIDES = ("content", "profile", "context")  # beside behaviour
POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1.0  # orders items for an unknown user
YEAR, WEEK = 365.25 * DAY, 7.0 * DAY
CONTEXT = 5
UNKNOWN = ("user_id", "first_seen_at")  # identifiers and dates are no profile


@dataclass(frozen=True)
class GateConfig:
    """``words``: dimensions of the items' text vectors; ``vector_dimensions``: of each kind of
    vector that the shop brought, 0 for none. Items of fewer than ``min_events`` share
    one embedding and differ by text and popularity alone."""

    dimensions: int = 64
    words: int = 64
    vector_dimensions: int = 64
    temperature: float = 0.1
    input_dropout: float = 0.3
    min_events: int = 10
    epochs: float = 10.0
    cuts: CutsConfig = field(default_factory=CutsConfig)
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(steps=300, learning_rate=1e-3, validate_every=100)
    )


class Gated(VectorFamily):
    """State: the network's weights and the probe's. ``config.gate`` is a GateConfig."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.gate: GateConfig = config.gate

    def fit(self, split: Split, context: TrainingContext) -> None:
        torch.manual_seed(context.seed)
        gate, train = self.gate, split.train
        row_I = torch.from_numpy(embedding_rows(train, gate.min_events))
        words_TD, text_I = encode_texts(context.items, "tfidf", gate.words, context)
        vectors = vectors_of(context.items) if gate.vector_dimensions else {}
        if vectors:
            words_TD, text_I = joined(words_TD.float(), text_I, vectors, gate.vector_dimensions)
        profile_UF = profiles(context.users)
        words_TD = words_TD.float()
        self.network = Network(gate, int(row_I.max()) + 1, words_TD, text_I, profile_UF)
        self.network.start_from(train, row_I)
        self.network.to(context.device)
        cuts = Cuts(train, gate.cuts, context.seed, context.device)
        progress = fit_by_gradient(
            self.network,
            cuts.batch,
            lambda: context.validate(self.scorer()),
            gate.trainer.shortened(cuts.steps_for(gate.epochs)),
            context,
        )
        self.tuned = progress.record() | self._mean_gates(context.window.histories)
        self.probe, self.habits = fit_probe(self.user_vectors, split, context)

    @torch.no_grad()
    def user_vectors(self, batch: Histories) -> torch.Tensor:
        history, context_BX, user_B = self._inputs(batch)
        hidden_BD = self.network.users(history, context_BX, user_B)
        hidden_BD = (
            hidden_BD * (history.lengths_B > 0)[:, None]
        )  # without history: popularity alone
        return torch.cat([hidden_BD, torch.ones_like(hidden_BD[:, :1])], dim=1)

    @torch.no_grad()
    def item_vectors(self) -> torch.Tensor:
        share_I = POPULARITY_SHARE * self.network.popularity_I
        items_I = torch.arange(len(share_I), device=share_I.device)
        return torch.cat([self.network.targets(items_I), share_I[:, None]], dim=1)

    def learned_items(self) -> torch.Tensor:
        return (self.network.row_I > 0) | (self.network.text_I > 0)

    def interests(self, batch: Histories) -> torch.Tensor:
        return self.probe.probabilities(self.user_vectors, batch)

    def state(self) -> State:
        weights = {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}
        return weights | self.probe.state()

    def load_state(self, state: State) -> None:
        self.probe, state = Probe.of(state), without_probe(state)
        self.network = Network(
            self.gate,
            len(state["embedding_RD"]),
            state["words_TD"],
            state["text_I"],
            state["profile_UF"],
        )
        self.network.load_state_dict(state)
        self.network.eval()

    def _inputs(self, batch: Histories) -> tuple[Bags, torch.Tensor, torch.Tensor]:
        device = self.network.popularity_I.device
        moment_B = torch.full((len(batch),), batch.end, dtype=torch.float64)
        lengths_B = torch.from_numpy(np.minimum(batch.lengths_U, self.gate.cuts.length))
        context_BX = context_of(moment_B, lengths_B).to(device)
        user_B = torch.from_numpy(batch.users_U).to(device)
        return bags(batch, self.gate.cuts, device), context_BX, user_B

    @torch.no_grad()
    def _mean_gates(self, histories: Histories) -> dict[str, float]:
        """The mean gate of each side, over users and dimensions."""
        history, context_BX, user_B = self._inputs(histories)
        _, open_SBD = self.network.joined(history, context_BX, user_B)
        means = open_SBD.mean(dim=(1, 2)).tolist()
        return {f"gate_of_{side}": mean for side, mean in zip(SIDES, means, strict=True)}


class Network(nn.Module):
    """Users and items as vectors."""

    def __init__(
        self,
        config: GateConfig,
        row_count: int,
        words_TD: torch.Tensor,
        text_I: torch.Tensor,
        profile_UF: torch.Tensor,
    ) -> None:
        super().__init__()
        self.config = config
        dimensions = config.dimensions
        self.embedding_RD = nn.Parameter(0.02 * torch.randn(row_count, dimensions))
        widths = {
            "content": words_TD.shape[1],
            "profile": profile_UF.shape[1],
            "context": CONTEXT,
        }
        every = dimensions + sum(widths.values())
        self.hidden = nn.ModuleDict(
            {side: nn.Linear(width, dimensions) for side, width in widths.items()}
        )
        self.gates = nn.ModuleDict({side: nn.Linear(every, dimensions) for side in widths})
        self.out = nn.Linear(dimensions, dimensions)
        self.of_words = nn.Linear(words_TD.shape[1], dimensions, bias=False)
        for layer in (self.out, self.of_words):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.out.bias)
        self.words_TD: torch.Tensor
        self.text_I: torch.Tensor
        self.profile_UF: torch.Tensor
        self.row_I: torch.Tensor
        self.popularity_I: torch.Tensor
        self.register_buffer("words_TD", words_TD)
        self.register_buffer("text_I", text_I)
        self.register_buffer("profile_UF", profile_UF)
        self.register_buffer("row_I", torch.zeros(len(text_I), dtype=torch.long))
        self.register_buffer("popularity_I", torch.zeros(len(text_I)))

    @torch.no_grad()
    def start_from(self, train: Histories, row_I: torch.Tensor) -> None:
        """Initialize from the data."""
        self.row_I.copy_(row_I)
        self.popularity_I.copy_(torch.from_numpy(popularity(train, POPULARITY_DAYS)))
        warm_RD = warm_embeddings(train, row_I.numpy(), self.config.dimensions)
        self.embedding_RD[:, : warm_RD.shape[1]] = torch.from_numpy(warm_RD)

    def joined(
        self, history: Bags, context_BX: torch.Tensor, user_B: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """state_BD, and open_SBD of the gates of the sides."""
        rows = Bags(self.row_I[history.items_N], history.weights_N, history.lengths_B)
        texts = Bags(self.text_I[history.items_N], history.weights_N, history.lengths_B)
        behaviour_BD = F.normalize(rows.mean(self.embedding_RD), dim=1)
        read = {
            "content": F.normalize(texts.mean(self.words_TD), dim=1),
            "profile": self.profile_UF[user_B],
            "context": context_BX,
        }
        every_BE = torch.cat([behaviour_BD, *read.values()], dim=1)
        open_SBD = torch.stack([self.gates[side](every_BE).sigmoid() for side in SIDES])
        hidden_SBD = torch.stack([self.hidden[side](read[side]).tanh() for side in SIDES])
        return behaviour_BD + self.out((open_SBD * hidden_SBD).sum(dim=0)), open_SBD

    def users(self, history: Bags, context_BX: torch.Tensor, user_B: torch.Tensor) -> torch.Tensor:
        """users_BD, scaled for the product with items."""
        state_BD, _ = self.joined(history, context_BX, user_B)
        return F.normalize(state_BD, dim=1) / self.config.temperature

    def targets(self, items_C: torch.Tensor) -> torch.Tensor:
        """Items, scaled for the product with users."""
        words_CD = self.of_words(self.words_TD[self.text_I[items_C]])
        return F.normalize(self.embedding_RD[self.row_I[items_C]] + words_CD, dim=1)

    def loss(self, batch: Batch) -> torch.Tensor:
        history = batch.history.dropped(self.config.input_dropout)
        context_BX = context_of(batch.moment_B, batch.history.lengths_B)
        return softmax_loss(
            self.users(history, context_BX, batch.user_B).float(),
            self.targets(batch.candidates_C).float(),
            torch.zeros_like(batch.log_chance_C),
            batch.log_chance_C,
            batch.target_B,
        )


def context_of(moment_B: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
    """context_BX: the length of the history, and the time of the year and of the week.

    Not the time since the last event: in training it is always 0.
    """
    turns = [2 * torch.pi * moment_B.double() / period for period in (YEAR, WEEK)]
    waves = [wave for turn in turns for wave in (turn.sin(), turn.cos())]
    columns = [lengths_B.to(moment_B.device).double().log1p() / 5, *waves]
    return torch.stack(columns, dim=1).float()


def profiles(users: pa.Table) -> torch.Tensor:
    """profile_UF: one-hot values of the text columns; zeros where null.

    The first column is zero, so that there is one without any profile.
    """
    columns = [torch.zeros(max(1, len(users)), 1)]
    for name in users.column_names:
        if name in UNKNOWN or not pa.types.is_string(users[name].type):
            continue
        encoded = users[name].combine_chunks().dictionary_encode()
        known_U = np.flatnonzero(encoded.is_valid())
        one_UV = np.zeros((len(users), len(encoded.dictionary)), np.float32)
        one_UV[known_U, encoded.indices.drop_null().to_numpy()] = 1
        columns.append(torch.from_numpy(one_UV))
    return torch.cat(columns, dim=1)
