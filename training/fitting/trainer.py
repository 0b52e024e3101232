"""The one gradient loop. It knows no model: a module that gives a loss for a batch is all it asks.

Everything random at a step is drawn from the seed and the step's number, so a killed run that
resumes from its checkpoint goes on exactly as one that wasn't disturbed (on the CPU; CUDA's sums
may differ in the last bits).
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog
import torch
from torch import nn

from penchant.errors import PenchantError
from training.fitting import checkpoint
from training.fitting.checkpoint import Weights
from training.fitting.distributed import Processes, started_together
from training.fitting.family import TrainingContext
from training.fitting.gradient import Batch, Gradient
from training.fitting.progress import VALIDATION

CHECKPOINT = "checkpoint.safetensors"
LAST_LEARNING_RATE = 0.1  # of the peak, at the end of the cosine

log = structlog.get_logger()


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


@dataclass(frozen=True)
class Progress:
    """Where the loop is. ``stopped``: finished, no improvement, out of time, or not yet.
    ``pieces``: in how many a batch is taken, more than one since memory ran out."""

    step: int = 0
    best_step: int = 0
    best_score: float = -math.inf
    stopped: str = ""
    pieces: int = 1

    def record(self) -> dict[str, float]:
        """What a run's record says of it."""
        return {"steps": self.best_step, "batch_halvings": round(math.log2(self.pieces))}


@dataclass
class Stretch:
    """What happened since the last validation. Its time is that of the steps alone."""

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
    """Train ``model`` in place with AdamW and leave it with the weights that validated best.

    ``batch_of``: the batch of a step, a function of its number only. ``validate``: higher is
    better; ``figure``: its name on the curve. Stops early, or when its share of the time budget is
    spent, at the best weights so far.
    Processes that were started together share each batch and end with the same weights; only the
    first validates and keeps the checkpoint.

    Raises PenchantError when a loss or a gradient isn't finite; the last good checkpoint stays.
    """
    processes = started_together()
    # Fused: the tables of items are most of the weights, and a pass for each term of the update
    # took a sixth of an epoch.
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    gradient = Gradient(model, context.device, processes)
    path = context.checkpoints / CHECKPOINT
    progress, best = Progress(), _weights(model)
    context.expect(config.steps)
    if path.exists():
        kept, best = checkpoint.load(path, model, optimizer)
        progress = Progress(**kept)
        gradient.pieces = progress.pieces
        log.info("resumed", step=progress.step)
    else:  # what the model starts from is the first to beat
        progress = replace(progress, best_score=_validated(model, validate, processes))
        context.curve(figure, 0, progress.best_score)
    stretch = Stretch()
    while not progress.stopped:
        started = time.perf_counter()
        batch = batch_of(progress.step)
        loss = _step(gradient, optimizer, batch, config, context.seed, progress.step, path)
        stretch.add(loss, batch.targets, time.perf_counter() - started)
        progress = replace(progress, step=progress.step + 1, pieces=gradient.pieces)
        out_of_time = bool(processes.first_says(context.budget.fitting_seconds_left < 0))
        if (
            progress.step % config.validate_every
            and progress.step < config.steps
            and not out_of_time
        ):
            continue
        score = _validated(model, validate, processes)
        for name, value in (stretch.figures() | {figure: score}).items():
            context.curve(name, progress.step, value)
        stretch = Stretch()
        if score > progress.best_score:
            progress = replace(progress, best_step=progress.step, best_score=score)
            best = _weights(model)
        progress = replace(progress, stopped=_reason_to_stop(progress, config, out_of_time))
        if processes.first:
            checkpoint.save(path, model, optimizer, best, asdict(progress))
    model.load_state_dict(best)
    model.eval()
    log.info("trained", **asdict(progress))
    return progress


def learning_rate(config: TrainerConfig, step: int) -> float:
    """Linear warm-up to the peak, then half a cosine down to a tenth of it where asked for."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if not config.cosine:
        return config.learning_rate
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    wave = (1 + math.cos(math.pi * done)) / 2
    return config.learning_rate * (LAST_LEARNING_RATE + (1 - LAST_LEARNING_RATE) * wave)


def _step(
    gradient: Gradient,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: TrainerConfig,
    seed: int,
    step: int,
    path: Path,
) -> float:
    """One update; returns the loss."""
    gradient.model.train()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step)
    loss = gradient.take(batch, seed * 1_000_003 + step).item()
    norm = nn.utils.clip_grad_norm_(gradient.model.parameters(), config.clip_norm).item()
    if not (math.isfinite(loss) and math.isfinite(norm)):
        kept = f"the last good checkpoint is {path}" if path.exists() else "none was kept yet"
        raise PenchantError(
            f"training diverged at step {step}: loss {loss}, gradient norm {norm}",
            f"lower the learning rate of the family's config; {kept}",
        )
    optimizer.step()
    return loss


def _validated(model: nn.Module, validate: Callable[[], float], processes: Processes) -> float:
    """The first process's validation, in all."""
    model.eval()
    with torch.no_grad():
        return processes.first_says(validate() if processes.first else math.nan)


def _reason_to_stop(progress: Progress, config: TrainerConfig, out_of_time: bool) -> str:
    if progress.step >= config.steps:
        return "finished"
    if progress.step - progress.best_step >= config.patience * config.validate_every:
        return "no improvement"
    return "out of time" if out_of_time else ""


def _weights(model: nn.Module) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
