"""Knowledge distillation of a Transformer (Hinton, Vinyals & Dean 2015).

The student learns the user's next item, as its teacher did, and also the teacher's probabilities of
the other items in the batch's softmax. It is a model of the same family with fewer layers and
dimensions, fitted by the same loop on the same windows.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from penchant.errors import UsageError
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.factory import make
from training.fitting.family import Family
from training.layers.sequences.network import Network
from training.layers.sequences.next_item import NextItem
from training.layers.sequences.softmax import softmax_loss
from training.layers.sequences.windows import Batch


@dataclass(frozen=True)
class DistillationConfig:
    """The student's size, and how it learns. ``length_share``: of the newest events that its
    teacher reads; ``dimensions``: None is as many as its teacher's. ``soft_weight``: the teacher's
    part of the loss; ``softening``: what both sides' logits are divided by in it (the paper's
    temperature)."""

    layers: int = 1
    length_share: float = 0.5
    dimensions: int | None = None
    soft_weight: float = 0.5
    softening: float = 2.0


def student_of(teacher: Family, name: str, config: DistillationConfig) -> NextItem:
    """A student that isn't fitted yet, of the family called ``name``.

    Raises UsageError where the teacher isn't a Transformer.
    """
    taught = teacher.config
    if not (isinstance(teacher, NextItem) and hasattr(taught, "layers")):
        raise UsageError(f"{name} is no Transformer", "distil sasrec, bert4rec or hstu")
    windows = taught.learning.windows
    length = max(1, round(config.length_share * windows.length))
    smaller: Any = replace(
        taught,
        dimensions=config.dimensions or taught.dimensions,
        layers=config.layers,
        learning=replace(taught.learning, windows=replace(windows, length=length)),
    )
    return cast(NextItem, make(name, smaller))


def distil(
    teacher: Family,
    student: NextItem,
    split: Split,
    context: TrainingContext,
    config: DistillationConfig,
) -> None:
    """Fit the student on ``split.train``, tuned on ``context.window`` as any family."""
    taught = cast(NextItem, teacher).network.to(context.device)

    def learner(network: Network) -> nn.Module:
        inherit(network, taught)
        return Distilling(network, taught, config)

    student.learn(split, context, learner)


@torch.no_grad()
def inherit(student: Network, teacher: Network) -> None:
    """Start from the teacher's embeddings, of fewer dimensions from their principal ones."""
    taught = _embeddings(teacher)
    known_RD = torch.cat(taught).cpu()
    kept = student.embedding.embedding_dim
    if kept < known_RD.shape[1]:
        _, _, directions_DD = torch.linalg.svd(known_RD, full_matrices=False)
        known_RD = known_RD @ directions_DD[:kept].T
    parts = known_RD.split([len(part) for part in taught])
    for own, part in zip(_embeddings(student), parts, strict=True):
        own.copy_(part)
    student.sum_weight.copy_(teacher.sum_weight)


def _embeddings(network: Network) -> list[torch.Tensor]:
    """All weights that an item's embedding is made of."""
    projected = [] if network.projection is None else [network.projection.weight_VD]
    return [network.embedding.weight, network.tag_embedding.weight, *projected]


class Distilling(nn.Module):
    """The student's network and its loss; its weights alone are learned and kept."""

    def __init__(self, student: Network, teacher: Network, config: DistillationConfig) -> None:
        super().__init__()
        self.student, self.config = student, config
        self.teacher = (teacher.eval(),)  # in a tuple: no part of this module, so nothing learns it

    def loss(self, batch: Batch) -> torch.Tensor:
        """(1 - w) x the cross-entropy of what came next + w x softening² x the divergence of the
        student's softmax from the teacher's, both over the same candidates."""
        student, (teacher,) = self.student, self.teacher
        items_C, log_chance_C = student.candidates(batch.wanted_N, batch.step)
        states_PD = student.target_states(batch).float()
        vectors_CD, bias_C = student.targets(items_C).float(), student.bias_I[items_C]
        target_P = torch.searchsorted(items_C, batch.targets_BT[batch.has_BT])
        hard = softmax_loss(states_PD, vectors_CD, bias_C, log_chance_C, target_P)
        with torch.no_grad():
            teacher_PC = teacher.target_states(batch).float() @ teacher.targets(items_C).float().T
            teacher_PC = self._softened(teacher_PC + teacher.bias_I[items_C], log_chance_C)
        student_PC = self._softened(states_PD @ vectors_CD.T + bias_C, log_chance_C)
        soft = F.kl_div(student_PC, teacher_PC, reduction="batchmean", log_target=True)
        weight = self.config.soft_weight
        return (1 - weight) * hard + weight * self.config.softening**2 * soft

    def _softened(self, logits_PC: torch.Tensor, log_chance_C: torch.Tensor) -> torch.Tensor:
        """Logarithms of the softmax; a sampled item counts 1 / chance times, as in softmax.py."""
        return F.log_softmax(logits_PC / self.config.softening - log_chance_C, dim=1)
