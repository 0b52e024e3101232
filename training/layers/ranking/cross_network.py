"""A deep & cross network that ranks candidates (Wang et al. 2021, "DCN V2").

Cross layers multiply the input with a low-rank map of the layer before (their section 3.4); a deep
network reads the input beside them. The loss is the softmax over a user's candidates. Axes: C
candidates, F features, N inputs, G users.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from penchant.ranking.features import Features
from training.layers.ranking.examples import RankingExamples

MOST = 5.0  # standard deviations of an input
EVERY = 7  # row of the examples that means and deviations are taken from


@dataclass(frozen=True)
class CrossConfig:
    """``rank``: of the maps of the cross layers."""

    cross_layers: int = 2
    rank: int = 32
    hidden: tuple[int, ...] = (128, 64)
    dropout: float = 0.1


@dataclass(frozen=True)
class CandidateBatch:
    """``group_C``: the user of each candidate. ``share_C``: of the user's chosen candidates."""

    features_CF: torch.Tensor
    group_C: torch.Tensor
    share_C: torch.Tensor
    users: int

    @property
    def targets(self) -> int:
        return self.users

    @classmethod
    def of(cls, examples: RankingExamples, groups: np.ndarray) -> "CandidateBatch":
        """The candidates of some users of examples."""
        end_G = np.cumsum(examples.counts_G)
        spans = [np.arange(end_G[one] - examples.counts_G[one], end_G[one]) for one in groups]
        rows_C = np.concatenate(spans)
        group_C = np.repeat(np.arange(len(groups)), examples.counts_G[groups])
        chosen_C = examples.label_C[rows_C].astype(np.float32)
        share_C = chosen_C / np.maximum(np.bincount(group_C, chosen_C), 1)[group_C]
        return cls(
            torch.from_numpy(examples.features_CF[rows_C]),
            torch.from_numpy(group_C),
            torch.from_numpy(share_C.astype(np.float32)),
            len(groups),
        )

    def part(self, index: int, count: int) -> "CandidateBatch":
        kept_G = torch.arange(self.users) % count == index
        kept_C = kept_G[self.group_C]
        group_C = (kept_G.cumsum(0) - 1)[self.group_C[kept_C]]
        return CandidateBatch(
            self.features_CF[kept_C], group_C, self.share_C[kept_C], int(kept_G.sum())
        )


class CrossNetwork(nn.Module):
    """score_C of features_CF, NaN where unknown.

    Features are compressed to sign(x) log(1 + |x|) and standardised; an unknown one is at its mean,
    and where that can happen another input says so.
    """

    mean_F: torch.Tensor
    deviation_F: torch.Tensor
    places_M: torch.Tensor

    def __init__(self, config: CrossConfig, features: int, unknown: int) -> None:
        """``unknown``: inputs that say that a feature is unknown."""
        super().__init__()
        self.register_buffer("mean_F", torch.zeros(features))
        self.register_buffer("deviation_F", torch.ones(features))
        self.register_buffer("places_M", torch.zeros(unknown, dtype=torch.long))
        inputs = features + unknown
        self.down = nn.ModuleList(
            nn.Linear(inputs, config.rank, bias=False) for _ in range(config.cross_layers)
        )
        self.up = nn.ModuleList(nn.Linear(config.rank, inputs) for _ in range(config.cross_layers))
        deep, width = list[nn.Module](), inputs
        for hidden in config.hidden:
            deep += [nn.Linear(width, hidden), nn.GELU(), nn.Dropout(config.dropout)]
            width = hidden
        self.deep = nn.Sequential(*deep)
        self.out = nn.Linear(inputs + width, 1)

    @classmethod
    def of(cls, config: CrossConfig, parts: Sequence[RankingExamples]) -> "CrossNetwork":
        """An untrained network for features like those of the examples."""
        features_CF = np.concatenate([part.features_CF[::EVERY] for part in parts])
        places = _differently_unknown(features_CF)
        made = cls(config, features_CF.shape[1], len(places))
        compressed_CF = _compressed(torch.from_numpy(features_CF))
        known_CF = ~torch.isnan(compressed_CF)
        count_F = known_CF.sum(0).clamp(min=1)
        made.places_M.copy_(torch.tensor(places, dtype=torch.long))
        made.mean_F.copy_(torch.nan_to_num(compressed_CF).sum(0) / count_F)
        squares_CF = torch.nan_to_num(compressed_CF - made.mean_F).square()
        made.deviation_F.copy_((squares_CF.sum(0) / count_F).sqrt().clamp(min=1e-6))
        return made

    def inputs(self, features_CF: torch.Tensor) -> torch.Tensor:
        """inputs_CN: standardised features, then which are unknown."""
        unknown_CF = torch.isnan(features_CF)
        standard_CF = (_compressed(features_CF) - self.mean_F) / self.deviation_F
        standard_CF = torch.where(unknown_CF, 0.0, standard_CF.clamp(-MOST, MOST))
        flags_CM = unknown_CF.index_select(1, self.places_M).to(standard_CF.dtype)
        return torch.cat([standard_CF, flags_CM], dim=1)

    def of_inputs(self, inputs_CN: torch.Tensor) -> torch.Tensor:
        crossed_CN = inputs_CN
        for down, up in zip(self.down, self.up, strict=True):
            crossed_CN = inputs_CN * up(down(crossed_CN)) + crossed_CN
        both = torch.cat([crossed_CN, self.deep(inputs_CN)], dim=1)
        return cast(torch.Tensor, self.out(both).squeeze(1))

    def forward(self, features_CF: torch.Tensor) -> torch.Tensor:
        return self.of_inputs(self.inputs(features_CF))

    def loss(self, batch: CandidateBatch) -> torch.Tensor:
        """The mean over users of the cross entropy of their chosen candidates."""
        score_C = self(batch.features_CF).float()
        most_G = torch.zeros(batch.users).scatter_reduce(
            0, batch.group_C, score_C.detach(), "amax", include_self=False
        )
        sum_G = torch.zeros(batch.users).index_add(
            0, batch.group_C, (score_C - most_G[batch.group_C]).exp()
        )
        log_C = score_C - (most_G + sum_G.log())[batch.group_C]
        return -(log_C * batch.share_C).sum() / batch.users

    def importance(self, features_CF: Features) -> tuple[float, ...]:
        """The share of each feature in the absolute gradient by the standardised features."""
        inputs_CN = self.inputs(torch.from_numpy(features_CF)).requires_grad_()
        self.of_inputs(inputs_CN).sum().backward()
        assert inputs_CN.grad is not None
        gradient_F = inputs_CN.grad.abs().mean(0)[: features_CF.shape[1]].double()
        return tuple((gradient_F / gradient_F.sum().clamp(min=1e-300)).tolist())


def _compressed(features_CF: torch.Tensor) -> torch.Tensor:
    return features_CF.sign() * torch.log(1 + features_CF.abs())


def _differently_unknown(features_CF: Features) -> list[int]:
    """Places of features that are unknown for some candidates: one of each set of the same."""
    unknown_FC = np.isnan(features_CF.T)
    patterns: dict[bytes, int] = {}
    for place, unknown_C in enumerate(unknown_FC):
        if unknown_C.any():
            patterns.setdefault(np.packbits(unknown_C).tobytes(), place)
    return list(patterns.values())
