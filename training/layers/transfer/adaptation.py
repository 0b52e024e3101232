"""Adapting a sequence model to items that it was not trained on.

``adapters``: the encoder and the source's embeddings are frozen; adapters in the encoder
(adapters.py) and the target items' embeddings and output layer are trained. ``full``: everything
is. Both start from the same closed form (discriminant.py), so that a target of some hundred events
has a model before the first step, and training is kept only where it validates better.
"""

import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from penchant.errors import DataError
from training.data.histories import Histories, IntArray
from training.evaluation.metrics.full_ranking import Scorer
from training.fitting.context import TrainingContext
from training.fitting.trainer import Progress, TrainerConfig, fit_by_gradient
from training.layers.sequences.inputs import padded_details, padded_histories, warm_embeddings
from training.layers.sequences.network import Network
from training.layers.sequences.next_item import NextItem
from training.layers.sequences.softmax import softmax_loss
from training.layers.sequences.windows import Batch, Windows
from training.layers.transfer.adapters import Adapter, insert, parameter_count
from training.layers.transfer.discriminant import discriminant, shrunk_means
from training.layers.transfer.target import Target, cached_scorer

ADAPTERS, FULL = "adapters", "full"


@dataclass(frozen=True)
class AdaptationConfig:
    """``bottleneck``: units of an adapter. ``passes`` over the target, of ``most_batches`` at most,
    give the states for the closed form; ``shrinkage`` and ``ridges``: see discriminant.py.
    ``echoes``: weights of the product of state and input embedding, which is how the trunk itself
    ranks, added to the closed form. Ridge and echo are tuned. ``full_learning_rate``: of ``full``.
    """

    bottleneck: int = 4
    passes: float = 3.0
    most_batches: int = 40
    shrinkage: float = 5.0
    ridges: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0)
    echoes: tuple[float, ...] = (0.0, 3.0, 10.0)
    epochs: float = 20.0
    full_learning_rate: float = 3e-3
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=300, learning_rate=1e-2, warmup_steps=10, validate_every=60, patience=2
        )
    )


@dataclass(frozen=True)
class InitialLayers:
    """Input embeddings of the target's items, and the linear layer that ranks them."""

    read_JD: torch.Tensor
    weight_JD: torch.Tensor
    bias_J: torch.Tensor


class Tables(nn.Module):
    """An embedding table in two parts: the trunk's rows, then those of a target."""

    def __init__(self, known_RD: torch.Tensor, new_JD: torch.Tensor) -> None:
        super().__init__()
        self.known_RD, self.new_JD = nn.Parameter(known_RD.clone()), nn.Parameter(new_JD.clone())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        known = len(self.known_RD)
        return torch.where(
            (rows >= known)[..., None],
            F.embedding((rows - known).clamp(min=0), self.new_JD),
            F.embedding(rows.clamp(max=known - 1), self.known_RD),
        )


class TransferredModel(nn.Module):
    """A copy of a trunk with input embeddings for a target's items, and a linear layer that ranks
    them by its normalized states. ``adapters`` is empty with a ``bottleneck`` of 0."""

    def __init__(
        self, trunk: NextItem, items_J: IntArray, start: InitialLayers, bottleneck: int
    ) -> None:
        super().__init__()
        self.length, self.items_J = trunk.learning.windows.length, items_J
        self.network = _extended(trunk.network, items_J, start.read_JD)
        self.weight_JD = nn.Parameter(start.weight_JD.clone())
        self.bias_J = nn.Parameter(start.bias_J.clone())
        self.place_I: torch.Tensor
        place_I = np.zeros(len(self.network.row_I), np.int64)
        place_I[items_J] = np.arange(len(items_J))
        self.register_buffer("place_I", torch.from_numpy(place_I), persistent=False)
        self.adapters: list[Adapter] = []
        if bottleneck:
            self.adapters = insert(self.network.encoder, trunk.dimensions, bottleneck)
            self.network.requires_grad_(False)
            for adapter in self.adapters:
                adapter.requires_grad_(True)
            cast(Tables, self.network.embedding).new_JD.requires_grad_(True)
        self.to(trunk.network.bias_I.device)
        self.eval()

    def loss(self, batch: Batch) -> torch.Tensor:
        states_PD = F.normalize(self.network.target_hidden(batch), dim=1)
        target_P = self.place_I[batch.targets_BT[batch.has_BT]]
        whole_J = torch.zeros_like(self.bias_J)
        return softmax_loss(states_PD.float(), self.weight_JD, self.bias_J, whole_J, target_P)

    @torch.no_grad()
    def states(self, batch: Histories) -> torch.Tensor:
        """states_BD of users with these histories, of all items."""
        newest, device = batch.latest(self.length), self.bias_J.device
        read_BT, lengths_B = (tensor.to(device) for tensor in padded_histories(newest, False))
        details = padded_details(newest, False).to(device)
        return F.normalize(self.network.last(read_BT, lengths_B, details), dim=1)

    @torch.no_grad()
    def scores(self, batch: Histories) -> torch.Tensor:
        """scores_BJ of the target's items."""
        return self.states(batch) @ self.weight_JD.T + self.bias_J

    def learned(self) -> dict[str, torch.Tensor]:
        """The trained weights, which differ from the trunk's, by name."""
        names = {name for name, weight in self.named_parameters() if weight.requires_grad}
        return {name: tensor for name, tensor in self.state_dict().items() if name in names}

    @property
    def adapter_parameters(self) -> int:
        return sum(parameter_count(adapter) for adapter in self.adapters)

    @property
    def item_parameters(self) -> int:
        """Of the target items' input embeddings and output layer."""
        new = cast(Tables, self.network.embedding).new_JD.numel()
        return new + self.weight_JD.numel() + self.bias_J.numel()


def adapt(
    trunk: NextItem,
    target: Target,
    start: InitialLayers,
    method: str,
    config: AdaptationConfig,
    context: TrainingContext,
) -> tuple[TransferredModel, Progress]:
    """Adapt a copy of a fitted model to a target, by ``adapters`` or in ``full``."""
    torch.manual_seed(context.seed)
    moved = TransferredModel(
        trunk, target.items_J, start, config.bottleneck if method == ADAPTERS else 0
    )
    trainer = config.trainer
    if method == FULL:
        trainer = replace(trainer, learning_rate=config.full_learning_rate)
    windows = Windows(
        target.train, trunk.learning.windows, context.seed, context.device, wanted=target.wanted
    )
    progress = fit_by_gradient(
        moved,
        windows.batch,
        lambda: target.ndcg(moved.scores, context),
        trainer.shortened(windows.steps_for(config.epochs)),
        context,
    )
    return moved, progress


def closed_form_start(
    trunk: NextItem, target: Target, config: AdaptationConfig, context: TrainingContext
) -> InitialLayers:
    """The initial layers in closed form, from sums over states of the trunk.

    Items in the trunk keep their input embedding. Any other item's is the mean state of its users
    by their source histories; where these are empty, its right singular vector of the target's
    matrix of users x items.
    """
    known_RD = trunk.network.embedding.weight.detach()
    length = float(known_RD[1:].norm(dim=1).mean()) if len(known_RD) > 1 else 1.0
    shared = bool((target.source.lengths_U[target.wanted.lengths_U > 0] > 0).any())
    read_JD, read = torch.zeros(len(target.items_J), trunk.dimensions), target.source
    if not shared:
        alone = target.alone(target.wanted)
        warm_JD = warm_embeddings(alone, np.arange(len(target.items_J)) + 1, trunk.dimensions)[1:]
        read_JD[:, : warm_JD.shape[1]] = torch.from_numpy(warm_JD)
        read_JD, read = F.normalize(read_JD, dim=1) * length, target.train
    states_PD, place_P = _states_before(trunk, target, read, read_JD, config, context)
    mean_D, means_JD = shrunk_means(states_PD, place_P, target.tags_JT, config.shrinkage)
    if shared:
        read_JD = F.normalize(_tensor(mean_D + means_JD), dim=1) * length
    row_J = trunk.network.row_I[torch.from_numpy(target.items_J)].cpu()
    read_JD = torch.where((row_J > 0)[:, None], known_RD.cpu()[row_J], read_JD)
    counts_J = target.alone(target.wanted).counts_I()
    same_JD, found = F.normalize(read_JD, dim=1), {}
    unranked = InitialLayers(read_JD, torch.zeros_like(read_JD), torch.zeros(len(read_JD)))
    states = cached_scorer(
        TransferredModel(trunk, target.items_J, unranked, 0).states, target.window
    )
    for ridge in config.ridges:
        weight_JD, bias_J = discriminant(states_PD, place_P, mean_D, means_JD, counts_J, ridge)
        for echo in config.echoes:
            start = InitialLayers(read_JD, _tensor(weight_JD) + echo * same_JD, _tensor(bias_J))
            found[ridge, echo] = target.ndcg(partial(_ranked, states, start), context), start
    return max(found.values(), key=lambda pair: pair[0])[1]


def _ranked(states: Scorer, start: InitialLayers, batch: Histories) -> torch.Tensor:
    return states(batch).cpu() @ start.weight_JD.T + start.bias_J


@torch.no_grad()
def _states_before(
    trunk: NextItem,
    target: Target,
    read: Histories,
    read_JD: torch.Tensor,
    config: AdaptationConfig,
    context: TrainingContext,
) -> tuple[npt.NDArray[np.float64], IntArray]:
    """Normalized states_PD before an event of the target, and its item, place_P."""
    network = _extended(trunk.network, target.items_J, read_JD).eval()
    windows = Windows(
        read, trunk.learning.windows, context.seed, context.device, wanted=target.wanted
    )
    states, wanted = [], []
    if not windows.steps_for(config.passes):
        raise DataError(
            "no event of the target follows an event that is read within the horizon",
            "use another target, or a longer horizon of the windows",
        )
    for step in range(min(windows.steps_for(config.passes), config.most_batches)):
        batch = windows.batch(step)
        hidden_BTD = network(batch.read_BT, batch.lengths_B, batch.details)
        states.append(F.normalize(hidden_BTD[batch.has_BT], dim=1).double().cpu().numpy())
        wanted.append(batch.wanted_N.cpu().numpy())
    return np.concatenate(states), np.searchsorted(target.items_J, np.concatenate(wanted))


def _extended(network: Network, items_J: IntArray, new_JD: torch.Tensor) -> Network:
    """A copy with embedding rows for these items appended."""
    known_RD = network.embedding.weight.detach()
    extended = copy.deepcopy(network)
    rows_J = len(known_RD) + torch.arange(len(items_J), device=known_RD.device)
    extended.embedding = Tables(known_RD, new_JD.to(known_RD.device))  # type: ignore[assignment]
    extended.row_I[torch.from_numpy(items_J)] = rows_J
    return extended


def _tensor(array: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
