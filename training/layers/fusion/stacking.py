"""Learning from validation users how several families' answers go together (Wolpert 1992,
"Stacked generalization").

Which members: greedily, by how well the sum of their lists ranks, after Caruana et al. (2004,
"Ensemble Selection from Libraries of Models"), without replacement. How they are weighed: by a
small network that sees a candidate's features (candidates.py) and gives a logit; its loss is a
softmax over a user's candidates, all of them and those that are new to the user.
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
class Lesson:
    """Candidates of B users and what they then did.

    ``row_N``, ``features_NF``: of the candidates; ``hit_N``: whether it was a target; ``seen_N``:
    whether the user had it before. ``wanted_BP``: targets of each user, of all and of new items.
    """

    row_N: torch.Tensor
    features_NF: torch.Tensor
    hit_N: torch.Tensor
    seen_N: torch.Tensor
    wanted_BP: torch.Tensor

    def __len__(self) -> int:
        return len(self.wanted_BP)

    @property
    def targets(self) -> int:
        """Users: each counts alike, however many targets it has."""
        return len(self)

    def part(self, index: int, count: int) -> "Lesson":
        """Every ``count``-th user from ``index`` on."""
        return self.take(torch.arange(index, len(self), count))

    def take(self, rows_B: torch.Tensor) -> "Lesson":
        """Only these users, in this order."""
        place = torch.full((len(self),), -1)
        place[rows_B.cpu()] = torch.arange(len(rows_B))
        new_N = place.to(self.row_N.device)[self.row_N]
        kept = new_N >= 0
        return Lesson(
            new_N[kept],
            self.features_NF[kept],
            self.hit_N[kept],
            self.seen_N[kept],
            self.wanted_BP[rows_B],
        )

    @classmethod
    def of(cls, found: Candidates, window: Window) -> "Lesson":
        """Of candidates for the histories of a window."""
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

    def of_members(self, chosen: list[int], members: int) -> "Lesson":
        """As if only some of the members had been asked."""
        width = len(OF_A_MEMBER)
        columns = [one * width + column for one in chosen for column in range(width)]
        ranks = [column for column in columns if column % width]
        kept = (self.features_NF[:, ranks] > 0).any(dim=1)
        columns += range(members * width, self.features_NF.shape[1])
        return Lesson(
            self.row_N[kept],
            self.features_NF[kept][:, columns],
            self.hit_N[kept],
            self.seen_N[kept],
            self.wanted_BP,
        )

    def hidden(self, columns: list[int], mean_F: torch.Tensor) -> torch.Tensor:
        """features_NF of which some say nothing: they are as they are on average."""
        features_NF = self.features_NF.clone()
        features_NF[:, columns] = mean_F[columns]
        return features_NF

    def of_users(self, column: int, population: str) -> FloatArray:
        """A feature that is the same for all candidates of a user, of the users who are judged."""
        value_B = torch.zeros(len(self), device=self.features_NF.device)
        value_B[self.row_N] = self.features_NF[:, column]
        return value_B[self.wanted_BP[:, int(population == "new")] > 0].double().cpu().numpy()

    def to(self, device: torch.device) -> "Lesson":
        return Lesson(*(tensor.to(device) for tensor in vars(self).values()))


def joined(lessons: Sequence[Lesson]) -> Lesson:
    """The users of several, in their order."""
    firsts = np.cumsum([0, *(len(one) for one in lessons)])
    rows = [one.row_N + int(first) for one, first in zip(lessons, firsts[:-1], strict=True)]
    return Lesson(
        torch.cat(rows),
        torch.cat([one.features_NF for one in lessons]),
        torch.cat([one.hit_N for one in lessons]),
        torch.cat([one.seen_N for one in lessons]),
        torch.cat([one.wanted_BP for one in lessons]),
    )


class Stacker(nn.Module):
    """features_NF -> logit_N. What it reads is brought to mean 0 and deviation 1."""

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
    def start_from(self, lesson: Lesson) -> None:
        """Take from the data how what is read is distributed."""
        self.mean_F.copy_(lesson.features_NF.mean(dim=0))
        self.deviation_F.copy_(lesson.features_NF.std(dim=0).clamp(min=1e-3))

    def forward(self, features_NF: torch.Tensor) -> torch.Tensor:
        logit_N1: torch.Tensor = self.layers((features_NF - self.mean_F) / self.deviation_F)
        return logit_N1.squeeze(1)

    def loss(self, batch: Lesson) -> torch.Tensor:
        """Mean over users; those none of whose targets is a candidate count 0."""
        logit_N = self(batch.features_NF).float()
        of_all, of_new = (
            softmax_over_users(logit_N[kept], batch.row_N[kept], batch.hit_N[kept], len(batch))
            for kept in (torch.ones_like(batch.seen_N), ~batch.seen_N)
        )
        return (1 - self.new_share) * of_all + self.new_share * of_new


def softmax_over_users(
    logit_N: torch.Tensor, row_N: torch.Tensor, hit_N: torch.Tensor, users: int
) -> torch.Tensor:
    """Mean over users of the cross-entropy of each one's hits, which share it alike."""
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


def ndcg_U(score_N: torch.Tensor, lesson: Lesson, population: str) -> FloatArray:
    """NDCG@10 of the users who have a target, by scores of their candidates."""
    new = population == "new"
    wanted_B = lesson.wanted_BP[:, int(new)]
    score_N = score_N.masked_fill(lesson.seen_N, -torch.inf) if new else score_N
    order_N = torch.argsort(score_N, descending=True, stable=True)
    order_N = order_N[torch.argsort(lesson.row_N[order_N], stable=True)]
    row_N = lesson.row_N[order_N]
    first_B = torch.searchsorted(row_N, torch.arange(len(lesson), device=row_N.device))
    rank_N = torch.arange(len(row_N), device=row_N.device) - first_B[row_N]
    counts = (rank_N < 10) & (score_N[order_N] > -torch.inf)
    hit_BK = torch.zeros(len(lesson), 10, dtype=torch.bool, device=row_N.device)
    hit_BK[row_N[counts], rank_N[counts]] = lesson.hit_N[order_N][counts]
    judged_B = wanted_B > 0
    return ndcg(hit_BK[judged_B].cpu().numpy(), wanted_B[judged_B].cpu().numpy(), 10)


def selected(lesson: Lesson, members: int, most: int, population: str) -> tuple[list[int], float]:
    """The members, at most ``most``, each the one that ranks best when its lists are added to those
    of the members before; and the NDCG@10 of the best of these sums.

    How they go together the network learns: so one is kept that does not raise the plain sum.
    """
    column = OF_A_MEMBER.index("rank among new" if population == "new" else "rank")
    paid_MN = lesson.features_NF[:, column : len(OF_A_MEMBER) * members : len(OF_A_MEMBER)].T
    total_N, chosen, best = torch.zeros_like(paid_MN[0]), list[int](), 0.0
    while len(chosen) < min(most, members):
        found = {
            one: float(ndcg_U(total_N + paid_MN[one], lesson, population).mean())
            for one in range(members)
            if one not in chosen
        }
        chosen.append(max(found, key=found.__getitem__))
        total_N, best = total_N + paid_MN[chosen[-1]], max(best, *found.values())
    return chosen, best


def by_warmth(value_U: FloatArray, warmth_U: FloatArray, groups: int = 4) -> list[float]:
    """Means of groups of about the same number of users, coldest first."""
    parts = np.array_split(np.argsort(warmth_U, kind="stable"), groups)
    return [float(value_U[part].mean()) for part in parts if len(part)]


def halves(users: int, most: int, seed: int) -> IntArray:
    """Rows to learn from: half of all, at most ``most``, drawn by the seed; in a drawn order."""
    return np.random.default_rng(seed).permutation(users)[: max(1, min(users // 2, most))]
