"""Autoregressive sampling from a next-item network.

The items of a visit are sampled together from the state before it: the network predicts the coming
weeks, not the order within a basket. The first visit has no state before it and its items should
be coherent, so it is sampled in groups of 1, 1, 2, 4, ... items, each after reading the ones
before.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from training.data.histories import IntArray, starts
from training.layers.generation.draws import sample_distinct
from training.layers.generation.temporal_profile import Schedule
from training.layers.sequences.network import Network
from training.layers.sequences.recurrent import RecurrentEncoder

STRIDE = 50.0  # scales the two parameters, so that they move at the weights' learning rate
FEW_REPEATS = 1000.0  # events, the initial value: nearly no repeats
GROUPS = 64  # of rare items, so that a visit can hold several


class RepeatMixture(nn.Module):
    """The mixture of the network's softmax with repeats of earlier items, for generation alone.

    Two parameters: an inverse temperature of the network's part (``sharpness``), and the number of
    events after which a repeat is as likely as a new item (``half_repeats``), as in a Chinese
    restaurant process (Aldous 1985).
    """

    def __init__(self) -> None:
        super().__init__()
        self.parameters_2 = nn.Parameter(torch.zeros(2))

    @property
    def sharpness(self) -> torch.Tensor:
        return torch.exp(STRIDE * self.parameters_2[0])

    @property
    def half_repeats(self) -> torch.Tensor:
        return FEW_REPEATS * torch.exp(STRIDE * self.parameters_2[1])

    def probabilities(
        self,
        hidden_PD: torch.Tensor,
        compared: tuple[torch.Tensor, torch.Tensor],
        times_PC: torch.Tensor,
    ) -> torch.Tensor:
        """probability_PC of columns. ``hidden_PD``: scaled states; ``compared``: of
        ``Vocabulary.compared``; ``times_PC``: how often each column was sampled before."""
        targets_CD, offset_C = compared
        logits_PC = torch.addmm(offset_C, self.sharpness * hidden_PD, targets_CD.T)
        read_P1 = times_PC.sum(dim=1, keepdim=True)
        new_P1 = self.half_repeats / (self.half_repeats + read_P1)
        repeat_PC = times_PC * ((1 - new_P1) / read_P1.clamp(min=1))
        return new_P1 * torch.softmax(logits_PC, dim=1) + repeat_PC


@dataclass(frozen=True)
class Vocabulary:
    """The C outputs: each item with an embedding of its own, then groups of rare items, which
    the network cannot distinguish.

    ``items_C``: the item, or one of the group. ``column_I``: of each item, -1 where it was never
    bought. ``rare_J``: the rare items, group by group from ``starts_G1``; ``cumulative_J``: of
    their shares.
    """

    items_C: torch.Tensor
    column_I: torch.Tensor
    rare_J: torch.Tensor
    cumulative_J: torch.Tensor
    starts_G1: torch.Tensor

    @classmethod
    def of(cls, network: Network) -> "Vocabulary":
        row_I, share_I = network.row_I.cpu(), network.share_I.cpu().double()
        known_K = torch.nonzero(row_I > 0)[:, 0]
        rare_J = torch.nonzero((row_I == 0) & (share_I > 0))[:, 0]
        groups = min(GROUPS, len(rare_J))
        parts = torch.tensor_split(rare_J, groups) if groups else ()
        sizes_G = torch.tensor([len(part) for part in parts], dtype=torch.long)
        firsts_G = torch.tensor([int(part[0]) for part in parts], dtype=torch.long)
        column_I = torch.full_like(row_I, -1)
        column_I[known_K] = torch.arange(len(known_K))
        column_I[rare_J] = len(known_K) + torch.arange(groups).repeat_interleave(sizes_G)
        return cls(
            torch.cat([known_K, firsts_G]),
            column_I,
            rare_J,
            F.pad(share_I[rare_J].cumsum(0), (1, 0)),
            F.pad(sizes_G.cumsum(0), (1, 0)),
        )

    def compared(self, network: Network) -> tuple[torch.Tensor, torch.Tensor]:
        """targets_CD and offset_C of the columns, by the network's current weights."""
        known, groups = len(self.items_C) - len(self.starts_G1) + 1, len(self.starts_G1) - 1
        bias_J = network.bias_I[self.rare_J]
        sums_G = bias_J.new_zeros(groups).index_add(
            0, self.column_I[self.rare_J] - known, bias_J.exp()
        )
        offset_C = torch.cat([network.bias_I[self.items_C[:known]], sums_G.log()])
        return network.targets(self.items_C), offset_C

    def items(self, columns_N: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The items of columns; of a group, one sampled by its share."""
        items_N = self.items_C[columns_N]
        group_N = columns_N - (len(self.items_C) - len(self.starts_G1) + 1)
        grouped = torch.nonzero(group_N >= 0)[:, 0]
        group_R = group_N[grouped]
        low_R, high_R = (self.cumulative_J[self.starts_G1[group_R + end]] for end in (0, 1))
        level_R = torch.rand(len(grouped), generator=generator, dtype=torch.double)
        place_R = torch.searchsorted(
            self.cumulative_J, low_R + level_R * (high_R - low_R), right=True
        )
        last_R = self.starts_G1[group_R + 1] - 1
        items_N[grouped] = self.rare_J[torch.minimum(place_R - 1, last_R)]
        return items_N


class IncrementalStates:
    """The states of B histories, extended by one event at a time.

    Equal to those of ``Network.forward``, without reading the whole history again.
    """

    def __init__(self, network: Network, count: int) -> None:
        self.network, self.read_before = network, 0
        self.encoder: RecurrentEncoder = network.encoder  # type: ignore[assignment]
        self.memory_LBH: Any = None
        self.sum_BD = network.token_D.new_zeros(count, len(network.token_D))
        self.hidden_BD = self._states(network.token_D.expand(count, 1, -1))

    def read(self, items_BT: torch.Tensor) -> None:
        items_BTD = self.network.embed(items_BT)
        self.read_before += items_BT.shape[1]
        self.sum_BD = self.sum_BD + items_BTD.sum(dim=1)
        self.hidden_BD = self._states(items_BTD)

    def keep(self, count: int) -> None:
        """Continue with the first ``count`` histories only."""
        self.sum_BD, self.hidden_BD = self.sum_BD[:count], self.hidden_BD[:count]
        self.memory_LBH = self.memory_LBH[:, :count].contiguous()

    def _states(self, read_BTD: torch.Tensor) -> torch.Tensor:
        hidden_BTD, self.memory_LBH = self.encoder.step(read_BTD, self.memory_LBH)
        known_BD = self.sum_BD / max(1, self.read_before) ** 0.5
        return hidden_BTD[:, -1] + self.network.sum_weight * known_BD


@torch.no_grad()
def sample_items(
    network: Network,
    repeats: RepeatMixture,
    vocabulary: Vocabulary,
    schedule: Schedule,
    length: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """items_N sampled for the events of a schedule, by a network on the CPU.

    The network reads at most the ``length`` latest events, as in the segments of its training.
    Beyond that it drops half of them at once, because the rest has to be read again. Repeats count
    the whole history.
    """
    network.eval()
    order_B = np.argsort(-schedule.lengths_B, kind="stable")
    schedule = schedule.take(order_B)
    lengths_B = schedule.lengths_B
    begin_B = starts(lengths_B)[:-1]
    from_N, size_N, first_N = _group_events(schedule)
    items_N = torch.zeros(int(lengths_B.sum()), dtype=torch.long)
    compared = vocabulary.compared(network)
    times_BC = torch.zeros(len(lengths_B), len(vocabulary.items_C))
    states = IncrementalStates(network, len(lengths_B))
    for place in range(int(lengths_B.max(initial=0))):
        active = int(np.searchsorted(-lengths_B, -place))
        events_B = begin_B[:active] + place
        if place:
            states.keep(active)
            if states.read_before == length:
                states = IncrementalStates(network, active)
                back_T = np.arange(-(length // 2), 0)
                states.read(items_N[torch.from_numpy(events_B[:, None] + back_T)])
            else:
                states.read(items_N[torch.from_numpy(events_B - 1)][:, None])
        due_D = np.flatnonzero(from_N[events_B] == place)
        if not len(due_D):
            continue
        hidden_DD = network.compared(states.hidden_BD[torch.from_numpy(due_D)])
        times_DC = times_BC[torch.from_numpy(due_D)]
        probability_DC = repeats.probabilities(hidden_DD, compared, times_DC)
        events_D = events_B[due_D]
        first_D1 = torch.from_numpy(first_N[events_D])[:, None]  # everything before is of the visit
        if first_D1.any():
            probability_DC.masked_fill_((times_DC > 0) & first_D1, 0)
        sizes_D = torch.from_numpy(size_N[events_D])
        columns_M = sample_distinct(probability_DC, torch.arange(len(due_D)), sizes_D, generator)
        times_BC[torch.from_numpy(due_D).repeat_interleave(sizes_D), columns_M] += 1
        first_M = torch.from_numpy(events_D).repeat_interleave(sizes_D)
        nth_M = torch.arange(len(columns_M)) - (sizes_D.cumsum(0) - sizes_D).repeat_interleave(
            sizes_D
        )
        items_N[first_M + nth_M] = vocabulary.items(columns_M, generator)
    back_N = np.argsort(np.repeat(order_B, lengths_B), kind="stable")
    return items_N[torch.from_numpy(back_N)]


def context_length(place: IntArray, began: IntArray) -> IntArray:
    """How many events are read before sampling the event at ``place``, from 0, of a visit that
    began at ``began``."""
    doubled = 2 ** np.floor(np.log2(np.maximum(1, place))).astype(np.int64)
    return np.where(began > 0, began, np.minimum(place, doubled))


def _group_events(schedule: Schedule) -> tuple[IntArray, IntArray, npt.NDArray[np.bool_]]:
    """For each event: how many events are read before it is sampled, the size of the group that
    it is sampled with, and whether it is of the first visit."""
    visit_N = np.repeat(np.arange(len(schedule.sizes_V)), schedule.sizes_V)
    lengths_B = schedule.lengths_B
    row_N = np.repeat(np.arange(len(lengths_B)), lengths_B)
    place_N = np.arange(len(visit_N)) - starts(lengths_B)[row_N]
    began_N = place_N[starts(schedule.sizes_V)[:-1]][visit_N]
    from_N = context_length(place_N, began_N)
    begins_N = np.diff(from_N, prepend=-1) != 0
    begins_N |= np.diff(row_N, prepend=-1) != 0
    together = np.cumsum(begins_N) - 1
    return from_N, np.bincount(together)[together], began_N == 0
