"""The gradient of a batch, in as many pieces as memory asks for and in as many processes as there
are.

A batch's loss is the mean over its targets. So it is the mean of its parts' losses, each weighted
by its share of the targets, and the gradients add up alike: neither pieces nor processes change
what is learned, beyond the last bits of a sum and which units a dropout drops.
"""

from contextlib import nullcontext
from typing import Any, Protocol, cast

import structlog
import torch
from torch import nn

from penchant.errors import PenchantError
from training.fitting.distributed import Processes

log = structlog.get_logger()


class Batch(Protocol):
    """What a step learns from: rows, each with some targets or none."""

    @property
    def targets(self) -> int:
        """How many targets the loss of this batch is the mean over."""

    def part(self, index: int, count: int) -> "Batch":
        """Every ``count``-th row from ``index`` on, with all that rows share, such as negatives.

        May be without targets: then nobody asks for its loss.
        """


class Learner(Protocol):
    """A torch module that knows its own loss."""

    def loss(self, batch: Any) -> torch.Tensor:
        """The mean loss over a batch's targets, a scalar.

        A target's loss depends on its own row and on what the batch's rows share, on no other row.
        """


class Gradient:
    """Leaves a model with the gradients of batches. On CUDA the forward pass is in bfloat16."""

    def __init__(self, model: nn.Module, device: torch.device, processes: Processes) -> None:
        self.model, self.device, self.processes = model, device, processes
        self.joined = processes.joined(LossOf(model), device)
        self.pieces = 1

    def take(self, batch: Batch, seed: int) -> torch.Tensor:
        """Set the gradients of the batch's loss and return the loss, the same in all processes.

        Out of memory, the pieces that a batch is taken in are halved, for this batch and all that
        come. ``seed``: of what the loss draws. Raises PenchantError when pieces can't be smaller.
        """
        while True:
            try:
                return self._take(batch, seed)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
            # Only here, outside the handler, has the error let go of what the failed pass held.
            self._halve(batch)

    def _take(self, batch: Batch, seed: int) -> torch.Tensor:
        self.model.zero_grad(set_to_none=True)
        rank, count = self.processes.rank, self.processes.count
        torch.manual_seed(seed * count + rank)
        if count == self.pieces == 1:
            loss = self._loss(batch)
            loss.backward()
            return loss.detach()
        whole = torch.zeros((), device=self.device)
        for piece in range(self.pieces):
            part = batch.part(rank * self.pieces + piece, count * self.pieces)
            last = piece == self.pieces - 1
            with nullcontext() if last else self.processes.apart(self.joined):
                loss = self._loss(part) * (part.targets / batch.targets)
                # DDP leaves the mean over processes, and the sum is wanted.
                (loss * count).backward()
            whole += loss.detach()
        return self.processes.sum(whole)

    def _loss(self, batch: Batch) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return cast(torch.Tensor, self.joined(batch))

    def _halve(self, batch: Batch) -> None:
        if self.processes.count > 1:  # the others wait for this one's gradients of this very pass
            raise PenchantError(
                f"out of memory in process {self.processes.rank} of {self.processes.count}",
                "start more processes or make the family's batch smaller: a batch is only taken in "
                "pieces by a process alone",
            )
        if 2 * self.pieces > batch.targets:
            raise PenchantError(
                f"out of memory with a batch of {batch.targets} targets in {self.pieces} pieces",
                "make the family's config smaller, or give it more memory",
            )
        self.pieces *= 2
        self.model.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()  # nothing where there is no CUDA
        log.warning("out of memory: the batch is halved", pieces=self.pieces)


class LossOf(nn.Module):
    """A learner's loss as a forward pass, which is what DDP joins."""

    def __init__(self, learner: nn.Module) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, batch: Batch) -> torch.Tensor:
        if not batch.targets:  # a process without rows still takes part, with gradients of zero
            learned = [weight for weight in self.learner.parameters() if weight.requires_grad]
            return 0 * torch.stack([weight.sum() for weight in learned]).sum()
        return cast(Learner, self.learner).loss(batch)


def _out_of_memory(error: Exception) -> bool:
    """CUDA and numpy have a class for it, torch on the CPU only a text."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "DefaultCPUAllocator: can't allocate memory" in str(error)
    )
