"""The processes that ``torchrun`` started together to train one family; one alone otherwise.

All do the same on the same data. They part in a gradient, of which each takes its rows of the
batch, and in what is done once: the first validates, decides when to stop, and writes.
"""

import atexit
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """``count`` processes, of which this is number ``rank``, from 0 up."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def joined(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module, whose backward pass then leaves the mean of all processes' gradients.

        Weights start as the first process has them. A weight that the loss of one process's rows
        does not read is no error: it may be read by another's.
        """
        if self.count == 1:
            return module
        return DistributedDataParallel(
            module,
            device_ids=[torch.cuda.current_device()] if device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=True,
        )

    def apart(self, joined: nn.Module) -> AbstractContextManager[None]:
        """In which a backward pass only adds to this process's own gradients."""
        if isinstance(joined, DistributedDataParallel):
            return cast(AbstractContextManager[None], joined.no_sync())
        return nullcontext()

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of all processes' values."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def first_says(self, value: float) -> float:
        """The first process's value, in all."""
        if self.count == 1:
            return value
        said = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(said, src=0)
        return float(said)

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()


def started_together() -> Processes:
    """The processes that this one was started with, joined on the first call.

    Each has a GPU of its own where there are GPUs. Gloo speaks for tensors on the CPU, NCCL for
    those on GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group()
        atexit.register(dist.destroy_process_group)
    return Processes(dist.get_rank(), dist.get_world_size())
