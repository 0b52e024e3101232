"""A repeat path: a state ranks the user's own items beside the new ones that it finds.

RepeatNet (Ren et al. 2019) mixes a repeat mode, over the items of the history, with an explore
mode over the others; ReCANet (Ariannezhad et al. 2022) scores a user's own items by how often and
how regularly they were bought. Here both modes share one head: it reads the features of
own_items.py, the item's over all users, the score that the state gives to the item, and its
nearness to all the user's items. It is fitted on the fortnights before the end of the training
data, by the softmax cross-entropy of the bought among a user's candidates: the most frequent own
items, and the new items that the state scores highest.

The state's own network is fitted first and then held: its states are those that it was trained for,
and the head has a list of every user at every cut in a few seconds.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn
from torch.nn import functional as F

from penchant.errors import DataError
from training.data.histories import DAY, Histories
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State, VectorFamily
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.sequences.own_items import (
    ITEM_FEATURES,
    KEPT_BY,
    OWN_FEATURES,
    item_features,
    own_items,
)

FEATURES = OWN_FEATURES + ITEM_FEATURES + 3  # and whether it is the user's own, and two scores
FREQUENCY, STATE = KEPT_BY, FEATURES - 2  # places of features
HABIT_DAYS = 90.0  # half-life of the events of the habit score
BELOW = 1000.0  # scores of items that are no candidates are this much lower
USERS_AT_ONCE = 128


@dataclass(frozen=True)
class RepeatConfig:
    """``own``, ``found``: candidates of a user, most frequent and highest scored. ``cuts``: of the
    training data, ``window_days`` apart, at each of which ``share`` of the users are learned from.
    """

    own: int = 128
    found: int = 32
    cuts: int = 6
    share: float = 1.0
    window_days: int = 14
    hidden: int = 32
    users_a_batch: int = 64
    epochs: float = 3.0
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=10**6, learning_rate=3e-3, warmup_steps=10**4, validate_every=10**6
        )
    )


@dataclass(frozen=True)
class Lists:
    """Candidates of B users: ``items_BC``, their features, whether there is one and, for learning,
    whether it was bought."""

    items_BC: torch.Tensor
    features_BCF: torch.Tensor
    has_BC: torch.Tensor
    bought_BC: torch.Tensor

    @property
    def targets(self) -> int:
        return len(self.items_BC)

    def part(self, index: int, count: int) -> "Lists":
        return self.take(slice(index, None, count))

    def take(self, rows: Any) -> "Lists":
        """Of some users."""
        return Lists(*(tensor[rows] for tensor in self._tensors()))

    def to(self, device: torch.device) -> "Lists":
        return Lists(*(tensor.to(device) for tensor in self._tensors()))

    @classmethod
    def joined(cls, parts: "list[Lists]") -> "Lists":
        columns = zip(*(one._tensors() for one in parts), strict=True)
        return cls(*(torch.cat(column) for column in columns))

    def _tensors(self) -> tuple[torch.Tensor, ...]:
        return self.items_BC, self.features_BCF, self.has_BC, self.bought_BC


class Head(nn.Module):
    """Scores of candidates by their standardized features: linear, plus two hidden layers.

    It starts as the sum of the state's score and the user's own frequency, so that little data is
    no loss.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.mean_F: torch.Tensor
        self.scale_F: torch.Tensor
        self.register_buffer("mean_F", torch.zeros(FEATURES))
        self.register_buffer("scale_F", torch.ones(FEATURES))
        self.linear = nn.Linear(FEATURES, 1)
        self.hidden = nn.Sequential(
            nn.Linear(FEATURES, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU()
        )
        self.out = nn.Linear(hidden, 1)
        for weight in (self.out.weight, self.out.bias, self.linear.weight, self.linear.bias):
            nn.init.zeros_(weight)
        with torch.no_grad():
            self.linear.weight[0, [FREQUENCY, STATE]] = 1.0

    @torch.no_grad()
    def standardize(self, lists: Lists) -> None:
        values_NF = lists.features_BCF[lists.has_BC]
        self.mean_F.copy_(values_NF.mean(dim=0))
        self.scale_F.copy_(values_NF.std(dim=0).clamp(min=1e-3))

    def forward(self, lists: Lists) -> torch.Tensor:
        """scores_BC, -inf where there is no candidate."""
        standard_BCF = (lists.features_BCF - self.mean_F) / self.scale_F
        scores_BC = (self.linear(standard_BCF) + self.out(self.hidden(standard_BCF))).squeeze(2)
        return scores_BC.masked_fill(~lists.has_BC, -torch.inf)

    def loss(self, lists: Lists) -> torch.Tensor:
        """Mean over users of the mean cross-entropy of what was bought."""
        log_BC = F.log_softmax(self(lists), dim=1).masked_fill(~lists.bought_BC, 0)
        return -(log_BC.sum(dim=1) / lists.bought_BC.sum(dim=1)).mean()


class RepeatFamily(Ranker):
    """A next-item model with a repeat path. State: the model's and the head's, and the features of
    items as last observed."""

    def __init__(self, config: Any, model: VectorFamily, repeat: RepeatConfig) -> None:
        super().__init__(config)
        self.model, self.repeat = model, repeat

    def fit(self, split: Split, context: TrainingContext) -> None:
        parent = context.parent.part("model.") if context.parent else None
        self.model.fit(split, replace(context, parent=parent))
        self._keep_items()
        lists = self.examples(split.train, context)
        self.observe(split.train)
        torch.manual_seed(context.seed)
        self.fit_head(Head(self.repeat.hidden), lists, context)

    def fit_head(self, head: Head, lists: Lists, context: TrainingContext) -> None:
        """Fit a head to the fitted model's examples."""
        repeat, self.head = self.repeat, head
        self.head.standardize(lists)
        self.head.to(context.device)
        per_epoch = -(-lists.targets // repeat.users_a_batch)

        def batch_of(step: int) -> Lists:
            epoch, place = divmod(step, per_epoch)
            order = np.random.default_rng([context.seed, epoch]).permutation(lists.targets)
            rows_B = order[place * repeat.users_a_batch :][: repeat.users_a_batch]
            return lists.take(rows_B).to(context.device)

        progress = fit_by_gradient(
            self.head,
            batch_of,
            lambda: context.validate(self.scores),
            repeat.trainer.shortened(int(np.ceil(repeat.epochs * per_epoch))),
            replace(context, checkpoints=context.checkpoints / "repeat"),
        )
        self.tuned = self.model.tuned | {
            f"repeat_{name}": value for name, value in progress.record().items()
        }

    def examples(self, train: Histories, context: TrainingContext) -> Lists:
        """What the fitted model proposes to users at the cuts, and what they then bought; users
        who bought no candidate are left out."""
        window, random = self.repeat.window_days * DAY, np.random.default_rng(context.seed)
        found = []
        for cut in train.end - window * np.arange(1, self.repeat.cuts + 1):
            past, after = train.before(int(cut)), train.between(int(cut), int(cut) + window)
            rows = np.flatnonzero((past.lengths_U > 0) & (after.lengths_U > 0))
            rows = np.sort(random.permutation(rows)[: int(np.ceil(self.repeat.share * len(rows)))])
            self.items_IF = item_features(past)
            past, after = past.take(rows), after.take(rows)
            bought = after.rows_N * after.item_count + after.items_N
            for first in range(0, len(rows), USERS_AT_ONCE):
                places = np.arange(first, min(first + USERS_AT_ONCE, len(rows)))
                context.budget.check()
                users = past.take(places)
                lists = self._lists(users, self._vectors(users))
                cells_BC = places[:, None] * after.item_count + lists.items_BC.numpy()
                hit_BC = torch.from_numpy(np.isin(cells_BC, bought)) & lists.has_BC
                lists = replace(lists, bought_BC=hit_BC)
                found.append(lists.take(lists.bought_BC.any(dim=1)))
        if not sum(one.targets for one in found):
            raise DataError(
                f"the repeat path has nothing to learn from: in the {self.repeat.cuts} windows of "
                f"{self.repeat.window_days} days before {np.datetime64(train.end, 's')} no user "
                "with a history bought a candidate",
                "land more days of data",
            )
        return Lists.joined(found)

    def observe(self, histories: Histories) -> None:
        self.model.observe(histories)
        self.items_IF = item_features(histories)

    @torch.no_grad()
    def scores(self, batch: Histories) -> torch.Tensor:
        vectors_BD = self._vectors(batch)
        lists, scores_BI = self._lists(batch, vectors_BD), vectors_BD @ self.items_ID.T
        scores_BC = self.head(lists.to(self.head.mean_F.device)).cpu()
        known_B = torch.from_numpy(batch.lengths_U > 0)  # others: as the model ranks
        scores_BI -= BELOW * known_B[:, None]
        rows_B, columns_C = (lists.has_BC & known_B[:, None]).nonzero(as_tuple=True)
        scores_BI[rows_B, lists.items_BC[rows_B, columns_C]] = scores_BC[rows_B, columns_C]
        return scores_BI

    def _vectors(self, batch: Histories) -> torch.Tensor:
        return self.model.user_vectors(batch).cpu().float()

    def _keep_items(self) -> None:
        """Keep the model's vectors of items, and which items have a direction of their own."""
        learned_I = self.model.learned_items().cpu()
        self.items_J = (
            learned_I.nonzero()[:, 0] if learned_I.any() else torch.arange(len(learned_I))
        )
        self.items_ID = self.model.item_vectors().cpu().float()

    @torch.no_grad()
    def _lists(self, batch: Histories, vectors_BD: torch.Tensor) -> Lists:
        """The candidates of each user."""
        items_ID, items_J = self.items_ID, self.items_J
        own, most = own_items(batch, self.repeat.own), self.repeat.own
        found = min(self.repeat.found, len(items_J))
        rows_N, items_N = torch.from_numpy(own.rows_N), torch.from_numpy(own.items_N).long()
        items_BC = torch.zeros(len(batch), most + found, dtype=torch.long)
        has_BC = torch.zeros_like(items_BC, dtype=torch.bool)
        own_BCF = torch.zeros(*items_BC.shape, OWN_FEATURES + 1)
        places_N = torch.from_numpy(own.places_N)
        items_BC[rows_N, places_N], has_BC[rows_N, places_N] = items_N, True
        own_BCF[rows_N, places_N] = F.pad(torch.from_numpy(own.features_NF), (0, 1), value=1.0)
        new_BJ = vectors_BD @ items_ID[items_J].T
        place_N = torch.searchsorted(items_J, torch.from_numpy(batch.items_N).long())
        place_N = place_N.clamp(max=len(items_J) - 1)
        known_N = items_J[place_N] == torch.from_numpy(batch.items_N)
        new_BJ[torch.from_numpy(batch.rows_N)[known_N], place_N[known_N]] = -torch.inf
        best = new_BJ.topk(found, dim=1)
        items_BC[:, most:], has_BC[:, most:] = items_J[best.indices], best.values > -torch.inf
        of_items_BCF = torch.from_numpy(self.items_IF)[items_BC]
        vectors_BCD = items_ID[items_BC]
        of_state_BC1 = vectors_BCD @ vectors_BD[:, :, None]
        of_habit_BC1 = self._habit(batch, items_BC, vectors_BCD)
        features_BCF = torch.cat([own_BCF, of_items_BCF, of_state_BC1, of_habit_BC1], dim=2)
        return Lists(items_BC, features_BCF, has_BC, torch.zeros_like(has_BC))

    def _habit(
        self, batch: Histories, items_BC: torch.Tensor, vectors_BCD: torch.Tensor
    ) -> torch.Tensor:
        """scores_BC1: how near an item's vector is to those of the user's other items, which weigh
        by their decayed events; the whole history, where a state reads its end."""
        weights = batch.matrix(0.5 ** (batch.ages_N / HABIT_DAYS)).log1p()
        share_B = 1 / np.maximum(np.asarray(weights.sum(axis=1)).ravel(), 1e-9)
        shares = (sp.diags(share_B.astype(np.float32)) @ weights).tocsr()
        profile_BD = torch.from_numpy(shares @ self.items_ID.numpy())
        rows_BC = np.broadcast_to(np.arange(len(batch))[:, None], items_BC.shape)
        own_BC = np.asarray(shares[rows_BC.ravel(), items_BC.numpy().ravel().copy()])
        itself_BC = torch.from_numpy(own_BC.reshape(rows_BC.shape)) * vectors_BCD.square().sum(
            dim=2
        )
        return (vectors_BCD @ profile_BD[:, :, None]) - itself_BC[:, :, None]

    def state(self) -> State:
        return {
            **{f"model.{name}": tensor for name, tensor in self.model.state().items()},
            **{f"head.{name}": tensor.cpu() for name, tensor in self.head.state_dict().items()},
            "items_IF": torch.from_numpy(self.items_IF),
        }

    def load_state(self, state: State) -> None:
        self.model.load_state(_part(state, "model."))
        self.head = Head(self.repeat.hidden)
        self.head.load_state_dict(_part(state, "head."))
        self.head.eval()
        self.items_IF = state["items_IF"].numpy()
        self._keep_items()


def _part(state: State, prefix: str) -> State:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }
