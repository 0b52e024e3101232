"""Transfer learning of a sequence model from categories with much data to those with little.

The trunk is a causal Transformer as in sasrec, trained on the source categories alone. For the
targets its encoder is frozen, and bottleneck adapters (Houlsby et al. 2019) are trained with the
embeddings of new items (adaptation.py). A guard adopts the transfer for a category only where it
ranks significantly better than a model trained from scratch and than popularity, on validation
users that nothing was tuned on (guard.py). domains.py selects source and targets.

All items are ranked together as a mixture: the probability that a user's next event is in a domain,
by decayed counts, times the item's softmax within it, by the model that serves the domain. Its
logarithm is a dot product.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from training.data.histories import Histories, IntArray
from training.data.split import Split
from training.fitting import exported_encoder as encoder
from training.fitting.capabilities import TransferDecision
from training.fitting.context import TrainingContext
from training.fitting.family import State, VectorFamily
from training.fitting.remembered_vectors import RememberedVectors
from training.fitting.trainer import TrainerConfig
from training.layers.popularity import popularity
from training.layers.sequences.network import ExportedEncoder
from training.layers.sequences.next_item import NextItem, NextItemConfig, main_job_learning
from training.layers.sequences.transformer import CausalTransformer
from training.layers.transfer.adaptation import AdaptationConfig, InitialLayers, TransferredModel
from training.layers.transfer.adapters import parameter_count
from training.layers.transfer.domains import DomainsConfig, domains
from training.layers.transfer.guard import ADOPTED, POPULARITY, SCRATCH, TRANSFER, too_small
from training.layers.transfer.moving import (
    POPULARITY_DAYS,
    curve,
    decisions,
    of_source,
    target_of,
    train_methods,
)
from training.layers.transfer.target import alone
from training.layers.user_profile import RARE

TRUNK = "trunk"
SERVED = (TRUNK, TRANSFER, SCRATCH, POPULARITY)
HALF_LIFE_DAYS = 90.0  # of an event in the counts of domains
PRIOR_EVENTS = 10.0  # the weight of the prior, everybody's shares


def trunk_learning() -> NextItemConfig:
    """Shorter than sasrec's: the time is shared with the adaptation."""
    learning = main_job_learning()
    trainer = replace(learning.trainer, steps=80, validate_every=80)
    return replace(learning, vector_dimensions=0, trainer=trainer)


def scratch_learning() -> NextItemConfig:
    """For the target alone, which is small."""
    trainer = TrainerConfig(
        steps=40, learning_rate=2e-3, warmup_steps=10, validate_every=20, patience=2
    )
    return replace(main_job_learning(), vector_dimensions=0, min_events=2, trainer=trainer)


def main_job_moving() -> AdaptationConfig:
    """Short: the closed form that the adaptation starts from has most of the effect."""
    moving = AdaptationConfig()
    return replace(moving, trainer=replace(moving.trainer, steps=20, validate_every=20))


@dataclass(frozen=True)
class Config:
    """``learning``: of the trunk; ``scratch``: of the model trained on the target alone.
    ``curve_shares``: of the target's events, for the record's curve; each costs two more fits."""

    dimensions: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.1
    learning: NextItemConfig = field(default_factory=trunk_learning)
    scratch: NextItemConfig = field(default_factory=scratch_learning)
    moving: AdaptationConfig = field(default_factory=main_job_moving)
    domains: DomainsConfig = field(default_factory=DomainsConfig)
    curve_shares: tuple[float, ...] = ()

    def model(self, learning: NextItemConfig) -> NextItem:
        """An unfitted sequence model of this shape."""
        encoder = partial(
            CausalTransformer,
            self.dimensions,
            self.layers,
            self.heads,
            self.dropout,
            learning.windows.length,
        )
        return NextItem(self, learning, self.dimensions, encoder)


class Model(VectorFamily):
    """State: the trunk's, the trained weights of the adapted model, the model from scratch, the
    domain of each item, the model that serves each domain, and counts. ``decisions``: the guard's,
    after ``fit``."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.moved: TransferredModel | None = None
        self.scratch: NextItem | None = None
        self.items_J: IntArray = np.zeros(0, np.int64)
        self.decisions: tuple[TransferDecision, ...] = ()

    def fit(self, split: Split, context: TrainingContext) -> None:
        config = self.config
        self.domains = domains(context.items, split.train.counts_I(), config.domains)
        self.domain_I = torch.from_numpy(self.domains.domain_I)
        self.trunk = config.model(config.learning)
        source = of_source(split, self.domains)
        self.trunk.fit(
            source,
            replace(context, window=source.validation, checkpoints=context.checkpoints / TRUNK),
        )
        self.tuned = dict(self.trunk.tuned)
        self.served = (TRUNK, *(POPULARITY for _ in self.domains.names))
        self.decisions = tuple(
            too_small(name, reason) for name, reason in sorted(self.domains.too_little.items())
        )
        if self.domains.targets:
            self._move(split, context)
        self._output_layers()
        self.observe(split.train)

    def _move(self, split: Split, context: TrainingContext) -> None:
        config, targets = self.config, self.domains.targets
        target, guarding = target_of(split, context.items, self.domains, targets)
        found = train_methods(
            self.trunk, config.model(config.scratch), target, config.moving, context
        )
        made = decisions(found, guarding, self.domains, targets, context.seed)
        self.moved, self.scratch, self.items_J = found.moved, found.scratch, target.items_J
        self.decisions = (*made, *self.decisions)
        served = {decision.category: decision.served for decision in self.decisions}
        self.served = (TRUNK, *(served[name] for name in self.domains.names))
        self.tuned |= found.tuned | {
            "targets": len(made),
            "adopted": sum(decision.status == ADOPTED for decision in made),
            "adapter_parameters": self.moved.adapter_parameters,
            "adapter_share": self.moved.adapter_parameters / self.trunk_parameters,
            "target_item_parameters": self.moved.item_parameters,
        }

    @property
    def trunk_parameters(self) -> int:
        """Of the encoder, which is frozen with the embeddings."""
        return parameter_count(self.trunk.network.encoder)

    def observe(self, histories: Histories) -> None:
        """Update popularity within each domain, and each domain's share of events."""
        shares_I = popularity(histories, POPULARITY_DAYS)
        domain_I = self.domain_I.numpy()
        shares_K = np.bincount(domain_I, shares_I, minlength=len(self.served))
        within_I = shares_I / np.maximum(shares_K, RARE)[domain_I]
        self.popularity_I = torch.from_numpy(within_I.astype(np.float32))
        self.share_K = torch.from_numpy(shares_K.astype(np.float32))
        self.remembered = RememberedVectors(self._user_vectors)

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        return self.remembered.of(batch)

    @torch.no_grad()
    def _user_vectors(self, batch: Histories) -> torch.Tensor:
        """States of each model that serves, 1, and for each domain the logarithm of its probability
        over its softmax's denominator."""
        states = self._states(batch)
        offset_BK = self._domain_probabilities(batch).log()
        for number, (name, weight_JD, bias_J) in self.layers.items():
            offset_BK[:, number] -= (states[name] @ weight_JD.T + bias_J).logsumexp(dim=1)
        return torch.cat([*states.values(), torch.ones(len(batch), 1), offset_BK], dim=1)

    @torch.no_grad()
    def item_vectors(self) -> torch.Tensor:
        models, width = self._models(), self.config.dimensions
        ones = width * len(models)
        vectors_ID = torch.zeros(len(self.domain_I), ones + 1 + len(self.served))
        vectors_ID[:, ones] = (self.popularity_I + RARE).log()
        for number, (name, weight_JD, bias_J) in self.layers.items():
            rows_J = torch.nonzero(self.domain_I == number)[:, 0]
            first = width * models.index(name)
            vectors_ID[rows_J, first : first + width] = weight_JD
            vectors_ID[rows_J, ones] = bias_J
        vectors_ID[torch.arange(len(vectors_ID)), ones + 1 + self.domain_I] = 1
        return vectors_ID

    def learned_items(self) -> torch.Tensor:
        served_K = torch.tensor([name != POPULARITY for name in self.served])
        known_I = (self.domain_I > 0) | self.trunk.learned_items().cpu()
        return served_K[self.domain_I] & known_I

    def exported(self) -> encoder.Encoder:
        return encoder.program(MixtureEncoder(self), None, HALF_LIFE_DAYS)

    def state(self) -> State:
        state = {f"{TRUNK}.{name}": tensor for name, tensor in self.trunk.state().items()}
        models = self._models()
        if TRANSFER in models:
            learned = cast(TransferredModel, self.moved).learned()
            state |= {f"{TRANSFER}.{name}": tensor.cpu() for name, tensor in learned.items()}
        if SCRATCH in models:
            learned = cast(NextItem, self.scratch).state()
            state |= {f"{SCRATCH}.{name}": tensor for name, tensor in learned.items()}
        return state | {
            "domain_I": self.domain_I,
            "items_J": torch.from_numpy(self.items_J),
            "served_K": torch.tensor([SERVED.index(name) for name in self.served]),
            "popularity_I": self.popularity_I,
            "share_K": self.share_K,
        }

    def load_state(self, state: State) -> None:
        self.domain_I, self.items_J = state["domain_I"], state["items_J"].numpy()
        self.served = tuple(SERVED[number] for number in state["served_K"].tolist())
        self.popularity_I, self.share_K = state["popularity_I"], state["share_K"]
        self.remembered = RememberedVectors(self._user_vectors)
        self.trunk = self.config.model(self.config.learning)
        self.trunk.load_state(_of(TRUNK, state))
        learned = _of(TRANSFER, state)
        if learned:
            weight_JD, bias_J = learned["weight_JD"], learned["bias_J"]
            start = InitialLayers(torch.zeros_like(weight_JD), weight_JD, bias_J)
            self.moved = TransferredModel(
                self.trunk, self.items_J, start, self.config.moving.bottleneck
            )
            self.moved.load_state_dict(learned, strict=False)
        if SCRATCH in self.served:
            self.scratch = self.config.model(self.config.scratch)
            self.scratch.load_state(_of(SCRATCH, state))
        self._output_layers()

    def learning_curve(self, split: Split, context: TrainingContext) -> list[dict[str, Any]]:
        config = self.config
        if not self.domains.targets:
            return []
        points = curve(
            self.trunk,
            lambda: config.model(config.scratch),
            config.curve_shares,
            split,
            context.items,
            self.domains,
            config.moving,
            context,
        )
        return [asdict(point) for point in points]

    def _models(self) -> list[str]:
        """The models that serve a domain, in the order of their part of a vector."""
        return [name for name in SERVED if name != POPULARITY and name in self.served]

    def _states(self, batch: Histories) -> dict[str, torch.Tensor]:
        """states_BD of each model that serves a domain, by its name."""
        own = alone(batch, self.items_J)
        states: dict[str, Callable[[], torch.Tensor]] = {
            TRUNK: lambda: self.trunk.user_vectors(batch)[:, :-1],
            TRANSFER: lambda: cast(TransferredModel, self.moved).states(batch),
            SCRATCH: lambda: cast(NextItem, self.scratch).user_vectors(own)[:, :-1],
        }
        return {name: states[name]().cpu() for name in self._models()}

    @torch.no_grad()
    def _output_layers(self) -> None:
        """Set the output layer of each domain that a model serves: its name, and its items'
        weight_JD and bias_J."""
        self.layers: dict[int, tuple[str, torch.Tensor, torch.Tensor]] = {}
        of_model = {TRUNK: self.trunk.item_vectors()}
        if self.moved is not None:
            layer = [self.moved.weight_JD, self.moved.bias_J[:, None]]
            of_model[TRANSFER] = torch.cat(layer, dim=1)
        if self.scratch is not None:
            of_model[SCRATCH] = self.scratch.item_vectors()
        place_I = torch.arange(len(self.domain_I))
        place_J = place_I.clone()
        place_J[torch.from_numpy(self.items_J)] = torch.arange(len(self.items_J))
        for number, name in enumerate(self.served):
            if name != POPULARITY:
                rows_J = (place_I if name == TRUNK else place_J)[self.domain_I == number]
                vectors_JD = of_model[name].cpu()[rows_J]
                self.layers[number] = (name, vectors_JD[:, :-1], vectors_JD[:, -1])

    def _domain_probabilities(self, batch: Histories) -> torch.Tensor:
        """probability_BK that a user's next event is in a domain."""
        counts = batch.matrix(batch.weights_N * 0.5 ** (batch.ages_N / HALF_LIFE_DAYS))
        items = len(self.domain_I)
        member = (np.ones(items, np.float32), (np.arange(items), self.domain_I.numpy()))
        counts_BK = torch.from_numpy(
            (counts @ sp.csr_matrix(member, (items, len(self.served)))).toarray()
        )
        counts_BK = counts_BK + PRIOR_EVENTS * (self.share_K + RARE)
        return counts_BK / counts_BK.sum(dim=1, keepdim=True)


class MixtureEncoder(nn.Module):
    """The encoder that serving runs: one history to a user vector."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.readers, self.lengths = nn.ModuleList(), list[int]()
        self.names = model._models()
        for name in self.names:
            if name == TRANSFER:
                moved = cast(TransferredModel, model.moved)
                self.readers.append(ExportedEncoder(moved.network, False))
                self.lengths.append(moved.length)
            else:
                served = model.trunk if name == TRUNK else cast(NextItem, model.scratch)
                self.readers.append(ExportedEncoder(served.network, False))
                self.lengths.append(served.learning.windows.length)
        self.layers, self.domain_I = model.layers, model.domain_I
        self.first_K = PRIOR_EVENTS * (model.share_K + RARE)
        place_I = np.full(len(model.domain_I), -1, np.int64)
        place_I[model.items_J] = np.arange(len(model.items_J))
        self.place_I = torch.from_numpy(place_I)

    def forward(
        self,
        items_L: torch.Tensor,
        weights_L: torch.Tensor,
        ages_L: torch.Tensor,
        types_L: torch.Tensor,
    ) -> torch.Tensor:
        states = self._states(items_L, weights_L, ages_L, types_L)
        in_LK = self.domain_I[items_L][:, None] == torch.arange(len(self.first_K))
        counts_K = self.first_K + (in_LK * weights_L[:, None]).sum(dim=0)
        offset_K = (counts_K / counts_K.sum()).log()
        sums = [torch.zeros(())] * len(self.first_K)
        for number, (name, weight_JD, bias_J) in self.layers.items():
            sums[number] = (weight_JD @ states[name] + bias_J).logsumexp(dim=0)
        one_1 = torch.ones(1)
        return torch.cat([*states.values(), one_1, offset_K - torch.stack(sums)])

    def _states(self, items_L: torch.Tensor, *more: torch.Tensor) -> dict[str, torch.Tensor]:
        places_L = self.place_I[items_L]
        whole = (items_L, *more)
        own = [part[places_L >= 0] for part in (places_L, *more)]  # scratch's, by its own rows
        states = {}
        for name, reader, length in zip(self.names, self.readers, self.lengths, strict=True):
            read = (part[-length:] for part in (own if name == SCRATCH else whole))
            state_D = reader(*read)[:-1]
            states[name] = nn.functional.normalize(state_D, dim=0) if name == TRANSFER else state_D
        return states


def _of(name: str, state: State) -> State:
    """A part of a state, without its prefix."""
    return {
        key.removeprefix(f"{name}."): tensor
        for key, tensor in state.items()
        if key.startswith(f"{name}.")
    }
