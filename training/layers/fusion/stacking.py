"""Stacked generalization (Wolpert 1992) of several families on validation users.

Members are selected greedily by the NDCG of the sum of their lists, after Caruana et al. (2004,
"Ensemble Selection from Libraries of Models"), without replacement. A small network maps a
candidate's features (candidates.py) to a logit; its loss is a softmax over a user's candidates,
over all of them and over those new to the user.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from training.data.histories import IntArray
from training.data.split import Window
from training.evaluation.metrics.intervals import FloatArray
from training.evaluation.metrics.ndcg import ndcg
from training.layers.fusion.candidates import OF_A_MEMBER, Candidates


@dataclass(frozen=True)
class StackingExamples:
    """Candidates of B users and their targets.

    ``row_N``: the candidate's user; ``hit_N``: it was a target; ``seen_N``: the user had it before.
    ``targets_BP``: number of targets of each user, of all and of new items.
    """

    row_N: torch.Tensor
    features_NF: torch.Tensor
    hit_N: torch.Tensor
    seen_N: torch.Tensor
    targets_BP: torch.Tensor

    def __len__(self) -> int:
        return len(self.targets_BP)

    @property
    def targets(self) -> int:
        """Users: each has the same weight, whatever its number of targets."""
        return len(self)

    def part(self, index: int, count: int) -> "StackingExamples":
        """Every ``count``-th user from ``index`` on."""
        return self.take(torch.arange(index, len(self), count))

    def take(self, rows_B: torch.Tensor) -> "StackingExamples":
        """Only these users, in this order."""
        place = torch.full((len(self),), -1)
        place[rows_B.cpu()] = torch.arange(len(rows_B))
        new_N = place.to(self.row_N.device)[self.row_N]
        kept = new_N >= 0
        return StackingExamples(
            new_N[kept],
            self.features_NF[kept],
            self.hit_N[kept],
            self.seen_N[kept],
            self.targets_BP[rows_B],
        )

    @classmethod
    def of(cls, found: Candidates, window: Window) -> "StackingExamples":
        """From candidates for the histories of a window."""
        histories, items = window.histories, window.histories.item_count
        cell_N = found.row_N * items + found.item_N
        owned_E = np.unique(histories.rows_N * items + histories.items_N)
        target_T = np.unique(window.targets.rows_N * items + window.targets.items_N)
        new_T = target_T[~np.isin(target_T, owned_E)]
        wanted = [
            np.bincount(cells // items, minlength=len(histories)) for cells in (target_T, new_T)
        ]
        return cls(
            torch.from_numpy(found.row_N),
            found.features_NF,
            torch.from_numpy(np.isin(cell_N, target_T)),
            torch.from_numpy(np.isin(cell_N, owned_E)),
            torch.from_numpy(np.stack(wanted, axis=1)),
        )

    def of_members(self, selected_members: list[int], members: int) -> "StackingExamples":
        """The examples of a subset of the members."""
        width = len(OF_A_MEMBER)
        columns = [one * width + column for one in selected_members for column in range(width)]
        ranks = [column for column in columns if column % width]
        kept = (self.features_NF[:, ranks] > 0).any(dim=1)
        columns += range(members * width, self.features_NF.shape[1])
        return StackingExamples(
            self.row_N[kept],
            self.features_NF[kept][:, columns],
            self.hit_N[kept],
            self.seen_N[kept],
            self.targets_BP,
        )

    def hidden(self, columns: list[int], mean_F: torch.Tensor) -> torch.Tensor:
        """features_NF with some columns replaced by their means."""
        features_NF = self.features_NF.clone()
        features_NF[:, columns] = mean_F[columns]
        return features_NF

    def of_users(self, column: int, population: str) -> FloatArray:
        """A per-user feature, of the evaluated users."""
        value_B = torch.zeros(len(self), device=self.features_NF.device)
        value_B[self.row_N] = self.features_NF[:, column]
        return value_B[self.targets_BP[:, int(population == "new")] > 0].double().cpu().numpy()

    def to(self, device: torch.device) -> "StackingExamples":
        return StackingExamples(*(tensor.to(device) for tensor in vars(self).values()))


def joined(parts: Sequence[StackingExamples]) -> StackingExamples:
    """The users of several, in their order."""
    firsts = np.cumsum([0, *(len(one) for one in parts)])
    rows = [one.row_N + int(first) for one, first in zip(parts, firsts[:-1], strict=True)]
    return StackingExamples(
        torch.cat(rows),
        torch.cat([one.features_NF for one in parts]),
        torch.cat([one.hit_N for one in parts]),
        torch.cat([one.seen_N for one in parts]),
        torch.cat([one.targets_BP for one in parts]),
    )


class Stacker(nn.Module):
    """features_NF -> logit_N; features are standardized."""

    def __init__(self, features: int, hidden: int, dropout: float, new_share: float) -> None:
        super().__init__()
        self.new_share = new_share
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )
        self.mean_F: torch.Tensor
        self.deviation_F: torch.Tensor
        self.register_buffer("mean_F", torch.zeros(features))
        self.register_buffer("deviation_F", torch.ones(features))

    @torch.no_grad()
    def start_from(self, examples: StackingExamples) -> None:
        """Set the features' means and deviations."""
        self.mean_F.copy_(examples.features_NF.mean(dim=0))
        self.deviation_F.copy_(examples.features_NF.std(dim=0).clamp(min=1e-3))

    def forward(self, features_NF: torch.Tensor) -> torch.Tensor:
        logit_N1: torch.Tensor = self.layers((features_NF - self.mean_F) / self.deviation_F)
        return logit_N1.squeeze(1)

    def loss(self, batch: StackingExamples) -> torch.Tensor:
        """Mean over users; a user without a target among the candidates counts 0."""
        logit_N = self(batch.features_NF).float()
        of_all, of_new = (
            softmax_over_users(logit_N[kept], batch.row_N[kept], batch.hit_N[kept], len(batch))
            for kept in (torch.ones_like(batch.seen_N), ~batch.seen_N)
        )
        return (1 - self.new_share) * of_all + self.new_share * of_new


def softmax_over_users(
    logit_N: torch.Tensor, row_N: torch.Tensor, hit_N: torch.Tensor, users: int
) -> torch.Tensor:
    """Mean over users of the mean cross-entropy of each user's hits."""
    if not len(logit_N):
        return logit_N.sum()
    highest_B = torch.full((users,), -torch.inf, device=logit_N.device).scatter_reduce(
        0, row_N, logit_N.detach(), "amax"
    )
    shifted_N = logit_N - highest_B[row_N]
    sum_B = torch.zeros(users, device=logit_N.device).index_add(0, row_N, shifted_N.exp())
    hits_B = torch.bincount(row_N[hit_N], minlength=users)
    loss_H = sum_B.clamp(min=1e-30).log()[row_N[hit_N]] - shifted_N[hit_N]
    return (loss_H / hits_B[row_N[hit_N]]).sum() / users


def ndcg_U(score_N: torch.Tensor, examples: StackingExamples, population: str) -> FloatArray:
    """NDCG@10 of the users who have a target, by scores of their candidates."""
    new = population == "new"
    targets_B = examples.targets_BP[:, int(new)]
    score_N = score_N.masked_fill(examples.seen_N, -torch.inf) if new else score_N
    order_N = torch.argsort(score_N, descending=True, stable=True)
    order_N = order_N[torch.argsort(examples.row_N[order_N], stable=True)]
    row_N = examples.row_N[order_N]
    first_B = torch.searchsorted(row_N, torch.arange(len(examples), device=row_N.device))
    rank_N = torch.arange(len(row_N), device=row_N.device) - first_B[row_N]
    counts = (rank_N < 10) & (score_N[order_N] > -torch.inf)
    hit_BK = torch.zeros(len(examples), 10, dtype=torch.bool, device=row_N.device)
    hit_BK[row_N[counts], rank_N[counts]] = examples.hit_N[order_N][counts]
    evaluated_B = targets_B > 0
    return ndcg(hit_BK[evaluated_B].cpu().numpy(), targets_B[evaluated_B].cpu().numpy(), 10)


def selected(
    examples: StackingExamples, members: int, most: int, population: str
) -> tuple[list[int], float]:
    """Forward selection of at most ``most`` members by the NDCG@10 of the sum of their lists, and
    the best NDCG@10 of these sums.

    Members that do not raise the sum are kept: the network learns how to weigh them.
    """
    column = OF_A_MEMBER.index("rank among new" if population == "new" else "rank")
    discount_MN = examples.features_NF[:, column : len(OF_A_MEMBER) * members : len(OF_A_MEMBER)].T
    total_N, selected_members, best = torch.zeros_like(discount_MN[0]), list[int](), 0.0
    while len(selected_members) < min(most, members):
        found = {
            one: float(ndcg_U(total_N + discount_MN[one], examples, population).mean())
            for one in range(members)
            if one not in selected_members
        }
        selected_members.append(max(found, key=found.__getitem__))
        total_N, best = total_N + discount_MN[selected_members[-1]], max(best, *found.values())
    return selected_members, best


def means_by_warmth(value_U: FloatArray, warmth_U: FloatArray, groups: int = 4) -> list[float]:
    """Means of groups of about the same number of users, coldest first."""
    parts = np.array_split(np.argsort(warmth_U, kind="stable"), groups)
    return [float(value_U[part].mean()) for part in parts if len(part)]


def sample_learners(users: int, most: int, seed: int) -> IntArray:
    """Rows to learn from: half of all, at most ``most``, sampled by the seed, in random order."""
    return np.random.default_rng(seed).permutation(users)[: max(1, min(users // 2, most))]
