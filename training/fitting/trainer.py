"""Training by gradient: the loop, the gradient of a batch, and the checkpoint.

The loop knows no model: it needs a module with a ``loss`` (``Learner``) and a function that returns
the batch of a step (``Batch``). It reads from top to bottom: ``fit_by_gradient``, ``Gradient``,
``save_checkpoint``.

All randomness of a step is drawn from the seed and the step's number, so a killed run that resumes
from its checkpoint gives the same result as an uninterrupted one (on the CPU; on CUDA sums may
differ in the last bits).
"""

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import structlog
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from penchant.errors import PenchantError
from penchant.storage import sync
from training.fitting.adamw import AdamW, Moments
from training.fitting.context import TrainingContext
from training.fitting.distributed import Processes, started_together
from training.fitting.parent import Parent
from training.fitting.progress import VALIDATION

CHECKPOINT = "checkpoint.safetensors"
LAST_LEARNING_RATE = 0.1  # of the peak, at the end of the cosine
WARM_SHARE = 0.125  # of the steps, where training goes on from earlier weights

Weights = dict[str, torch.Tensor]

log = structlog.get_logger()


class Batch(Protocol):
    """The input of a step: rows, each with some targets or none."""

    @property
    def targets(self) -> int:
        """The number of targets that the batch's loss is the mean over."""

    def part(self, index: int, count: int) -> "Batch":
        """Every ``count``-th row from ``index`` on, with all that rows share, such as negatives.

        May be without targets; its loss is then not computed.
        """


class Learner(Protocol):
    """A torch module with its own loss."""

    def loss(self, batch: Any) -> torch.Tensor:
        """The mean loss over a batch's targets, a scalar.

        A target's loss depends on its own row and on what the batch's rows share, on no other row.
        """


@dataclass(frozen=True)
class TrainerConfig:
    """``steps`` at most. ``patience``: validations without a new best after which to stop."""

    steps: int
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    warmup_steps: int = 50
    cosine: bool = True
    clip_norm: float = 1.0
    validate_every: int = 100
    patience: int = 3

    def shortened(self, steps: int) -> "TrainerConfig":
        """At most ``steps`` steps; warm-up and validations keep their share of the whole."""
        if steps >= self.steps:
            return self
        share = steps / self.steps
        return replace(
            self,
            steps=steps,
            warmup_steps=int(share * self.warmup_steps),
            validate_every=max(1, int(share * self.validate_every)),
        )

    def from_parent(self, parent: Parent | None) -> "TrainerConfig":
        """WARM_SHARE of the steps, validated at their end, where weights are a parent's."""
        if parent is None:
            return self
        steps = max(1, int(WARM_SHARE * self.steps))
        return replace(self.shortened(steps), validate_every=steps)


@dataclass(frozen=True)
class Progress:
    """The state of the loop. ``stopped``: finished, no improvement, out of time, or empty.
    ``pieces``: the number that a batch is split into, more than one after running out of memory."""

    step: int = 0
    best_step: int = 0
    best_score: float = -math.inf
    stopped: str = ""
    pieces: int = 1

    def record(self) -> dict[str, float]:
        """Its entries in the run record."""
        return {"steps": self.best_step, "batch_halvings": round(math.log2(self.pieces))}


@dataclass
class Throughput:
    """Losses and events since the last validation, and the seconds of the steps alone."""

    steps: int = 0
    losses: float = 0.0
    events: int = 0
    seconds: float = 0.0

    def add(self, loss: float, events: int, seconds: float) -> None:
        self.steps += 1
        self.losses += loss
        self.events += events
        self.seconds += seconds

    def figures(self) -> dict[str, float]:
        return {
            "loss": self.losses / self.steps,
            "events_per_second": self.events / self.seconds,
        }


def fit_by_gradient(
    model: nn.Module,
    batch_of: Callable[[int], Batch],
    validate: Callable[[], float],
    config: TrainerConfig,
    context: TrainingContext,
    figure: str = VALIDATION,
) -> Progress:
    """Train ``model`` in place with AdamW, and restore the weights that validated best.

    ``batch_of``: the batch of a step, a function of its number only. ``validate``: higher is
    better; ``figure``: its name on the curve. Stops early without improvement, or when its share of
    the time budget is spent. Processes that torchrun started share each batch and end with the same
    weights; only the first validates and writes the checkpoint.

    Raises PenchantError when a loss or a gradient isn't finite; the last checkpoint is kept.
    """
    processes = started_together()
    optimizer = AdamW(model.parameters(), config.weight_decay)
    gradient = Gradient(model, context.device, processes)
    path = context.checkpoints / CHECKPOINT
    progress, best = Progress(), _weights(model)
    context.expect(config.steps)
    if path.exists():
        saved, best = load_checkpoint(path, model, optimizer)
        progress = Progress(**saved)
        gradient.pieces = progress.pieces
        log.info("resumed", step=progress.step)
    else:  # the initial weights are the first best
        progress = replace(progress, best_score=_validated(model, validate, processes))
        context.curve(figure, 0, progress.best_score)
    throughput = Throughput()
    while not progress.stopped:
        started = time.perf_counter()
        batch = batch_of(progress.step)
        loss = _step(gradient, optimizer, batch, config, context.seed, progress.step, path)
        throughput.add(loss, batch.targets, time.perf_counter() - started)
        progress = replace(progress, step=progress.step + 1, pieces=gradient.pieces)
        out_of_time = bool(processes.broadcast(context.budget.fitting_seconds_left < 0))
        if (
            progress.step % config.validate_every
            and progress.step < config.steps
            and not out_of_time
        ):
            continue
        score = _validated(model, validate, processes)
        for name, value in (throughput.figures() | {figure: score}).items():
            context.curve(name, progress.step, value)
        throughput = Throughput()
        if score > progress.best_score:
            progress = replace(progress, best_step=progress.step, best_score=score)
            best = _weights(model)
        progress = replace(progress, stopped=_reason_to_stop(progress, config, out_of_time))
        if processes.first:
            save_checkpoint(path, model, optimizer, best, asdict(progress))
    model.load_state_dict(best)
    model.eval()
    log.info("trained", **asdict(progress))
    return progress


def learning_rate(config: TrainerConfig, step: int) -> float:
    """Linear warm-up to the peak, then with ``cosine`` half a cosine down to a tenth of it."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if not config.cosine:
        return config.learning_rate
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    wave = (1 + math.cos(math.pi * done)) / 2
    return config.learning_rate * (LAST_LEARNING_RATE + (1 - LAST_LEARNING_RATE) * wave)


def _step(
    gradient: "Gradient",
    optimizer: AdamW,
    batch: Batch,
    config: TrainerConfig,
    seed: int,
    step: int,
    path: Path,
) -> float:
    """One update; returns the loss."""
    gradient.model.train()
    loss = gradient.compute(batch, seed * 1_000_003 + step).item()
    norm = nn.utils.clip_grad_norm_(gradient.model.parameters(), config.clip_norm).item()
    if not (math.isfinite(loss) and math.isfinite(norm)):
        kept = f"the last good checkpoint is {path}" if path.exists() else "no checkpoint yet"
        raise PenchantError(
            f"training diverged at step {step}: loss {loss}, gradient norm {norm}",
            f"lower the learning rate of the family's config; {kept}",
        )
    optimizer.step(learning_rate(config, step))
    return loss


def _validated(model: nn.Module, validate: Callable[[], float], processes: Processes) -> float:
    """The first process's validation score, in all processes."""
    model.eval()
    with torch.no_grad():
        return processes.broadcast(validate() if processes.first else math.nan)


def _reason_to_stop(progress: Progress, config: TrainerConfig, out_of_time: bool) -> str:
    if progress.step >= config.steps:
        return "finished"
    if progress.step - progress.best_step >= config.patience * config.validate_every:
        return "no improvement"
    return "out of time" if out_of_time else ""


def _weights(model: nn.Module) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


class Gradient:
    """Computes gradients of batches, in as many pieces as memory needs and in all processes.

    A batch's loss is the mean over its targets, so it is the mean of its parts' losses, weighted by
    their share of the targets, and gradients add up in the same way. Neither pieces nor processes
    change what is learned, beyond the last bits of a sum and the units that dropout drops. On CUDA
    the forward pass is in bfloat16.
    """

    def __init__(self, model: nn.Module, device: torch.device, processes: Processes) -> None:
        self.model, self.device, self.processes = model, device, processes
        self.distributed = processes.distributed(LossOf(model), device)
        self.pieces = 1

    def compute(self, batch: Batch, seed: int) -> torch.Tensor:
        """Set the gradients of the batch's loss and return the loss, the same in all processes.

        Out of memory, this batch and all later ones are split into twice as many pieces. ``seed``:
        of dropout and other draws in the loss. Raises PenchantError when pieces can't be smaller.
        """
        while True:
            try:
                return self._compute(batch, seed)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
            # Outside the handler: only here has the error released the memory of the failed pass.
            self._halve(batch)

    def _compute(self, batch: Batch, seed: int) -> torch.Tensor:
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
            with nullcontext() if last else self.processes.no_sync(self.distributed):
                loss = self._loss(part) * (part.targets / batch.targets)
                # DDP averages over processes, and the sum is wanted.
                (loss * count).backward()
            whole += loss.detach()
        return self.processes.sum(whole)

    def _loss(self, batch: Batch) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return cast(torch.Tensor, self.distributed(batch))

    def _halve(self, batch: Batch) -> None:
        if self.processes.count > 1:  # the others wait for this one's gradients of this very pass
            raise PenchantError(
                f"out of memory in process {self.processes.rank} of {self.processes.count}",
                "start more processes or make the family's batch smaller: batches are split into "
                "pieces only where there is one process",
            )
        if 2 * self.pieces > batch.targets:
            raise PenchantError(
                f"out of memory with a batch of {batch.targets} targets in {self.pieces} pieces",
                "make the family's config smaller, or give it more memory",
            )
        self.pieces *= 2
        self.model.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()  # does nothing without CUDA
        log.warning("out of memory: the batch is halved", pieces=self.pieces)


class LossOf(nn.Module):
    """A learner's loss as a forward pass, as DDP requires."""

    def __init__(self, learner: nn.Module) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, batch: Batch) -> torch.Tensor:
        if not batch.targets:  # a process without rows still takes part, with gradients of zero
            learned = [weight for weight in self.learner.parameters() if weight.requires_grad]
            return 0 * torch.stack([weight.sum() for weight in learned]).sum()
        return cast(Learner, self.learner).loss(batch)


def _out_of_memory(error: Exception) -> bool:
    """CUDA and numpy raise a class of their own, torch on the CPU only a message."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: AdamW,
    best: Weights,
    progress: dict[str, Any],
) -> None:
    """Replace the checkpoint atomically: one safetensors file with the progress in its header."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    tensors |= {
        f"optimizer/{index}/{name}": tensor
        for index, state in optimizer.moments.items()
        for name, tensor in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    save_file(tensors, temporary, metadata={"progress": json.dumps(progress)})
    sync(temporary)
    temporary.replace(path)


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: AdamW
) -> tuple[dict[str, Any], Weights]:
    """Restore weights and optimizer moments; returns the progress and the best weights."""
    device = next(model.parameters()).device
    with safe_open(path, "pt", device=str(device)) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        progress = json.loads(file.metadata()["progress"])
    parts: dict[str, Weights] = {"model": {}, "best": {}}
    moments: Moments = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        if part == "optimizer":
            index, _, moment = name.partition("/")
            moments.setdefault(int(index), {})[moment] = tensor
        else:
            parts[part][name] = tensor
    model.load_state_dict(parts["model"])
    optimizer.moments = moments
    return progress, parts["best"]
