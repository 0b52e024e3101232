"""The network of next-item models: item embeddings around an encoder, and its export."""

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from penchant.interactions import EVENT_TYPES
from training.data.histories import Histories
from training.fitting.parent import Parent
from training.layers.popularity import popularity
from training.layers.sequences.inputs import GAPS, gap_of, warm_embeddings
from training.layers.sequences.softmax import log_chances, log_never, softmax_loss
from training.layers.sequences.vector_projection import VectorProjection
from training.layers.sequences.windows import TOKEN, Batch, Details

if TYPE_CHECKING:
    from training.layers.sequences.next_item import NextItemConfig

POPULARITY_DAYS = 90.0
MOST_SUM_WEIGHT = 2.0  # for dot products, where there are few rows


class Network(nn.Module):
    """Item embeddings around an encoder, and the loss.

    A state is the encoder's plus, where ``sum_weight`` isn't 0, a learned weight times the sum of
    the items visible to it, over the root of their number: a linear path that starts as PureSVD
    (Cremonesi et al. 2010) where the embeddings do. ``causal``: a state sees earlier items only.
    ``types``: event types are read. ``vectors_IV``: of the items, None where the shop brought none
    (vector_projection.py). An encoder with ``reads_ages`` gets the ages of what it reads
    as a third argument.
    """

    def __init__(
        self,
        config: "NextItemConfig",
        dimensions: int,
        row_count: int,
        tags_IK: torch.Tensor,
        encoder: nn.Module,
        causal: bool,
        types: bool = False,
        vectors_IV: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config, self.causal = config, causal
        self.encoder = encoder
        item_count = len(tags_IK)
        self.embedding = nn.Embedding(row_count, dimensions)
        self.tag_embedding = nn.Embedding(int(tags_IK.max()) + 1, dimensions, padding_idx=0)
        self.types = nn.Embedding(len(EVENT_TYPES), dimensions) if types else None
        self.gaps = nn.Embedding(GAPS, dimensions) if config.gaps else None
        for table in (self.types, self.gaps):
            if table is not None:
                nn.init.zeros_(table.weight)
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
        projected = None if vectors_IV is None else VectorProjection(vectors_IV, dimensions)
        self.projection = projected

    @torch.no_grad()
    def start_from(
        self, train: Histories, read: Histories, row_I: torch.Tensor, parent: Parent | None = None
    ) -> None:
        """Initialize from the data. ``read``: the events of ``train``, with those of other types
        where they are read too. ``parent``: whose weights to start from."""
        self.row_I.copy_(row_I)
        counts_I = torch.from_numpy(train.counts_I()).double()
        self.share_I.copy_(counts_I / counts_I.sum())
        self.drawn_share_I.copy_(counts_I**0.5 / (counts_I**0.5).sum())
        if not self.config.temperature:
            share_I = torch.from_numpy(popularity(train, POPULARITY_DAYS))
            self.bias_I.copy_((share_I + 0.1 / max(1, len(train.items_N))).log())
        if parent:
            parent.require_equal("tags_IK", self.tags_IK)
            if self.projection is not None:
                parent.require_equal("projection.vectors_IV", self.projection.vectors_IV)
            parent.continue_in(self, {"embedding.weight": 0}, items=("bias_I",))
        elif self.config.warm_start:
            warm_RD = warm_embeddings(read, row_I.numpy(), self.embedding.embedding_dim)
            self.embedding.weight[:, : warm_RD.shape[1]] = torch.from_numpy(warm_RD)

    def forward(
        self, read_BT: torch.Tensor, lengths_B: torch.Tensor, details: Details | None = None
    ) -> torch.Tensor:
        """hidden_BTD of each position. ``details``: None where neither types, gaps nor ages are
        read."""
        items_BTD, read_BTD, ages = self._read(read_BT, details)
        hidden_BTD: torch.Tensor = self.encoder(read_BTD, lengths_B, *ages)
        if self.config.sum_weight:
            known_BTD = self._sum(items_BTD, (read_BT != TOKEN)[:, :, None], lengths_B)
            hidden_BTD = hidden_BTD + self.sum_weight * known_BTD
        return hidden_BTD

    def last(
        self, read_BT: torch.Tensor, lengths_B: torch.Tensor, details: Details
    ) -> torch.Tensor:
        """hidden_BD of the last position of each history, padded with the token: what ``forward``
        gives there, without computing it for the others."""
        items_BTD, read_BTD, ages = self._read(read_BT, details)
        hidden_BD: torch.Tensor = cast(Any, self.encoder).last(read_BTD, lengths_B, *ages)
        if self.config.sum_weight:
            count_B1 = (read_BT != TOKEN).sum(dim=1, keepdim=True).clamp(min=1)
            hidden_BD = hidden_BD + self.sum_weight * items_BTD.sum(dim=1) / count_B1.sqrt()
        return hidden_BD

    def _read(
        self, read_BT: torch.Tensor, details: Details | None
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...]]:
        """items_BTD, zero where the token is read; what the encoder reads; and its ages."""
        token_BT1 = (read_BT == TOKEN)[:, :, None]
        items_BTD = self.embed(read_BT.clamp(min=0)).masked_fill(token_BT1, 0)
        read_BTD = items_BTD
        if self.types is not None and details is not None:
            read_BTD = read_BTD + self.types(details.types_BT).masked_fill(token_BT1, 0)
        if self.gaps is not None and details is not None:
            since_BT = F.pad(details.ages_BT[:, :-1] - details.ages_BT[:, 1:], (1, 0))
            read_BTD = read_BTD + self.gaps(gap_of(since_BT)).masked_fill(token_BT1, 0)
        read_BTD = self.embedding_dropout(read_BTD) + token_BT1 * self.token_D
        reads_ages = getattr(self.encoder, "reads_ages", False)
        ages = (details.ages_BT,) if details is not None and reads_ages else ()
        return items_BTD, read_BTD, ages

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
        if self.projection is not None:
            embeddings = embeddings + self.projection(items)
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

    def target_hidden(self, batch: Batch) -> torch.Tensor:
        """hidden_PD of the positions that have a target."""
        hidden_BTD: torch.Tensor = self(batch.read_BT, batch.lengths_B, batch.details)
        return hidden_BTD[batch.has_BT]

    def target_states(self, batch: Batch) -> torch.Tensor:
        """hidden_PD of the positions that have a target, scaled."""
        return self.compared(self.target_hidden(batch))

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

    def forward(
        self,
        items_L: torch.Tensor,
        weights_L: torch.Tensor,
        ages_L: torch.Tensor,
        types_L: torch.Tensor,
    ) -> torch.Tensor:
        def with_token(events_L: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
            parts = (events_L, token) if self.token_last else (token, events_L)
            return torch.cat(parts)[None]

        read_1T = with_token(items_L, torch.full((1,), TOKEN, dtype=torch.long))
        details = Details(
            with_token(types_L, torch.zeros(1, dtype=torch.long)),
            with_token(ages_L, torch.zeros(1)),
        )
        hidden_1TD = self.network(read_1T, torch.ones_like(read_1T).sum(dim=1), details)
        state_D = self.network.compared(hidden_1TD[:, -1])[0]
        return torch.cat([state_D, torch.ones_like(state_D[:1])])
