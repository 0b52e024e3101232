"""The processes that ``torchrun`` started to train one family, or this process alone.

All run the same program on the same data. They differ in the rows of a batch that each computes the
gradient of, and in work that the first does alone: validation, early stopping, and writing.
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
    """This process's ``rank`` among ``count``."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def distributed(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module, with a backward pass that averages gradients over processes.

        Weights start as the first process's. A weight may be unused by the loss of one process's
        rows: another's may use it.
        """
        if self.count == 1:
            return module
        return DistributedDataParallel(
            module,
            device_ids=[torch.cuda.current_device()] if device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=True,
        )

    def no_sync(self, module: nn.Module) -> AbstractContextManager[None]:
        """A context in which a backward pass only adds to this process's own gradients."""
        if isinstance(module, DistributedDataParallel):
            return cast(AbstractContextManager[None], module.no_sync())
        return nullcontext()

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of all processes' values."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def broadcast(self, value: float) -> float:
        """The first process's value, in all."""
        if self.count == 1:
            return value
        sent = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(sent, src=0)
        return float(sent)

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            dist.barrier()


def started_together() -> Processes:
    """The processes that this one was started with, joined on the first call.

    Each uses a GPU of its own where there are GPUs: Gloo communicates CPU tensors, NCCL those on
    GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group()
        atexit.register(dist.destroy_process_group)
    return Processes(dist.get_rank(), dist.get_world_size())
