"""Several fitted families as one: their scores, standardised for each user, added with weights.

Weights are found on validation users by coordinate ascent of NDCG@10, each from a short list, so
that there is little to overfit. A family that adds nothing gets none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.data.histories import Histories
from training.data.split import Window
from training.fitting.family import Ranker

WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
PASSES = 2


@dataclass(frozen=True)
class Combination:
    """Members of one weight each; ``scores`` is a Scorer."""

    members: tuple[Ranker, ...]
    weights: tuple[float, ...]

    def scores(self, batch: Histories) -> torch.Tensor:
        """scores_BI, the weighted sum of the members' standardised scores."""
        used = [pair for pair in zip(self.members, self.weights, strict=True) if pair[1]]
        parts = [weight * standardised(member.scores(batch)) for member, weight in used]
        return torch.stack(parts).sum(dim=0)


def combine(members: Sequence[Ranker], window: Window) -> Combination:
    """The combination that ranks best the one new item that each user of the window went to.

    ``window``: as of leave-one-out, one target a user, and few enough users that a score of each
    member, user and item fits in memory.
    """
    targets_B = torch.from_numpy(window.targets.items_N.astype(np.int64))
    seen = torch.from_numpy(np.stack(window.histories.matrix(window.histories.weights_N).nonzero()))
    scores_MBI = torch.stack([standardised(member.scores(window.histories)) for member in members])
    weights_M = [0.0] * len(members)
    total_BI = torch.zeros_like(scores_MBI[0])
    best = -1.0
    for _ in range(PASSES):
        for member, scores_BI in enumerate(scores_MBI):
            total_BI.sub_(scores_BI, alpha=weights_M[member])
            found = {
                weight: _ndcg(total_BI.add(scores_BI, alpha=weight), targets_B, seen)
                for weight in WEIGHTS
            }
            weight = max(found, key=found.__getitem__)
            if found[weight] > best:
                best, weights_M[member] = found[weight], weight
            total_BI.add_(scores_BI, alpha=weights_M[member])
    return Combination(tuple(members), tuple(weights_M))


def standardised(scores_BI: torch.Tensor) -> torch.Tensor:
    """Mean 0 and deviation 1 over each user's items; all 0 where a user's scores are all one."""
    centred_BI = scores_BI.float() - scores_BI.float().mean(dim=1, keepdim=True)
    return centred_BI.div_(deviations(centred_BI)[:, None])


def deviations(centred_BI: torch.Tensor) -> torch.Tensor:
    """deviation_B of scores whose mean is 0 for each user, above 0; in a tenth of the time of
    ``std``."""
    norm_B = torch.linalg.vector_norm(centred_BI, dim=1)
    return (norm_B / max(1, centred_BI.shape[1] - 1) ** 0.5).clamp(min=1e-12)


def _ndcg(total_BI: torch.Tensor, targets_B: torch.Tensor, seen: torch.Tensor) -> float:
    """Mean NDCG@10 over items that a user had not seen, where each user has one target."""
    target_B1 = total_BI.gather(1, targets_B[:, None])
    above_BI = total_BI > target_B1
    above_BI[seen[0], seen[1]] = False
    above_B = above_BI.sum(dim=1)
    # equal scores find nothing: a constant ranks nothing
    found_B = (above_B < 10) & (total_BI.amax(dim=1) > total_BI.amin(dim=1))
    return float(torch.where(found_B, 1 / torch.log2(above_B + 2.0), 0.0).mean())
