"""Several fitted families as one: their scores, standardised for each user, added with weights.

Weights are found on validation users by coordinate ascent of NDCG@10, each from a short list, so
that there is little to overfit. A family that adds nothing gets none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.data import Histories
from training.family import Family
from training.split import Window

WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
PASSES = 2


@dataclass(frozen=True)
class Combination:
    """Members of one weight each; ``scores`` is a Scorer."""

    members: tuple[Family, ...]
    weights: tuple[float, ...]

    def scores(self, batch: Histories) -> torch.Tensor:
        """scores_BI, the weighted sum of the members' standardised scores."""
        used = [pair for pair in zip(self.members, self.weights, strict=True) if pair[1]]
        parts = [weight * standardised(member.scores(batch)) for member, weight in used]
        return torch.stack(parts).sum(dim=0)


def combine(members: Sequence[Family], window: Window) -> Combination:
    """The combination that ranks best the one new item that each user of the window went to.

    ``window``: as of leave-one-out, one target a user, and few enough users that a score of each
    member, user and item fits in memory.
    """
    targets_B = torch.from_numpy(window.targets.items_N.astype(np.int64))
    seen = torch.from_numpy(np.stack(window.histories.matrix(window.histories.weights_N).nonzero()))
    scores_MBI = torch.stack([standardised(member.scores(window.histories)) for member in members])
    scores_MBI[:, seen[0], seen[1]] = -torch.inf
    weights_M = [0.0] * len(members)
    best = -1.0
    for _ in range(PASSES):
        for member in range(len(members)):
            for weight in WEIGHTS:
                tried_M = [*weights_M[:member], weight, *weights_M[member + 1 :]]
                found = _ndcg(scores_MBI, tried_M, targets_B) if any(tried_M) else -1.0
                if found > best:
                    best, weights_M = found, tried_M
    return Combination(tuple(members), tuple(weights_M))


def standardised(scores_BI: torch.Tensor) -> torch.Tensor:
    """Mean 0 and deviation 1 over each user's items; all 0 where a user's scores are all one."""
    centred_BI = scores_BI.float() - scores_BI.float().mean(dim=1, keepdim=True)
    return centred_BI / centred_BI.std(dim=1, keepdim=True).clamp(min=1e-12)


def _ndcg(scores_MBI: torch.Tensor, weights_M: Sequence[float], targets_B: torch.Tensor) -> float:
    """Mean NDCG@10 where each user has one target."""
    used = [
        (scores, weight) for scores, weight in zip(scores_MBI, weights_M, strict=True) if weight
    ]
    total_BI = used[0][0] * used[0][1]
    for scores_BI, weight in used[1:]:
        total_BI.add_(scores_BI, alpha=weight)
    above_B = (total_BI > total_BI.gather(1, targets_B[:, None])).sum(dim=1)
    return float(torch.where(above_B < 10, 1 / torch.log2(above_B + 2.0), 0.0).mean())
