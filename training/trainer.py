"""The one gradient loop. It knows no model: a module that gives a loss for a batch is all it asks.

Everything random at a step is drawn from the seed and the step's number, so a killed run that
resumes from its checkpoint goes on exactly as one that wasn't disturbed (on the CPU; CUDA's sums
may differ in the last bits). A checkpoint is one safetensors file with JSON in its header: loading
it runs nothing.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import structlog
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from penchant.errors import PenchantError
from penchant.storage import sync
from training.family import Bench

CHECKPOINT = "checkpoint.safetensors"
LAST_LEARNING_RATE = 0.1  # of the peak, at the end of the cosine

log = structlog.get_logger()


class Learner(Protocol):
    """A torch module that knows its own loss."""

    def loss(self, batch: Any) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""


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
    """Where the loop is. ``stopped``: finished, no improvement, out of time, or not yet."""

    step: int = 0
    best_step: int = 0
    best_score: float = -math.inf
    stopped: str = ""


def fit_by_gradient(
    model: nn.Module,
    batch_of: Callable[[int], Any],
    validate: Callable[[], float],
    config: TrainerConfig,
    bench: Bench,
) -> Progress:
    """Train ``model`` in place with AdamW and leave it with the weights that validated best.

    ``batch_of``: the batch of a step, a function of its number only. ``validate``: higher is
    better. Stops early, or when its share of the time budget is spent, at the best weights so far.

    Raises PenchantError when a loss or a gradient isn't finite; the last good checkpoint stays.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    checkpoint = bench.checkpoints / CHECKPOINT
    progress, best = Progress(), _weights(model)
    if checkpoint.exists():
        progress, best = _load(checkpoint, model, optimizer)
        log.info("resumed", step=progress.step)
    else:  # what the model starts from is the first to beat
        progress = replace(progress, best_score=_validated(model, validate))
        bench.curve("validation_ndcg@10", 0, progress.best_score)
    losses = []
    while not progress.stopped:
        step = progress.step
        torch.manual_seed(bench.seed * 1_000_003 + step)  # dropout
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        losses.append(
            _step(model, optimizer, batch_of(step), config, bench.device, step, checkpoint)
        )
        progress = replace(progress, step=step + 1)
        out_of_time = bench.budget.fitting_seconds_left < 0
        if (
            progress.step % config.validate_every
            and progress.step < config.steps
            and not out_of_time
        ):
            continue
        score = _validated(model, validate)
        bench.curve("loss", progress.step, sum(losses) / len(losses))
        bench.curve("validation_ndcg@10", progress.step, score)
        losses.clear()
        if score > progress.best_score:
            progress, best = (
                replace(progress, best_step=progress.step, best_score=score),
                _weights(model),
            )
        progress = replace(progress, stopped=_reason_to_stop(progress, config, out_of_time))
        _save(checkpoint, model, optimizer, best, progress)
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
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Any,
    config: TrainerConfig,
    device: torch.device,
    step: int,
    checkpoint: Path,
) -> float:
    """One update; returns the loss. On CUDA the forward pass is in bfloat16."""
    model.train()
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        loss: torch.Tensor = model.loss(batch)  # type: ignore[operator]
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    if not (torch.isfinite(loss) and torch.isfinite(norm)):
        kept = (
            f"the last good checkpoint is {checkpoint}"
            if checkpoint.exists()
            else "none was kept yet"
        )
        raise PenchantError(
            f"training diverged at step {step}: loss {loss.item()}, gradient norm {norm.item()}",
            f"lower the learning rate of the family's config; {kept}",
        )
    optimizer.step()
    return loss.item()


def _validated(model: nn.Module, validate: Callable[[], float]) -> float:
    model.eval()
    with torch.no_grad():
        return validate()


def _reason_to_stop(progress: Progress, config: TrainerConfig, out_of_time: bool) -> str:
    if progress.step >= config.steps:
        return "finished"
    if progress.step - progress.best_step >= config.patience * config.validate_every:
        return "no improvement"
    return "out of time" if out_of_time else ""


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, torch.Tensor],
    progress: Progress,
) -> None:
    """Replace the checkpoint by a newer one, so that a kill leaves the one or the other."""
    moments = optimizer.state_dict()["state"]
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    tensors |= {
        f"optimizer/{index}/{name}": tensor
        for index, state in moments.items()
        for name, tensor in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    save_file(tensors, temporary, metadata={"progress": json.dumps(asdict(progress))})
    sync(temporary)
    temporary.replace(path)


def _load(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[str, torch.Tensor]]:
    """Put a checkpoint's weights and moments back; returns its progress and its best weights."""
    device = next(model.parameters()).device
    with safe_open(path, "pt", device=str(device)) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        progress = Progress(**json.loads(file.metadata()["progress"]))
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "best": {}}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        if part == "optimizer":
            index, _, moment = name.partition("/")
            moments.setdefault(int(index), {})[moment] = tensor
        else:
            parts[part][name] = tensor
    model.load_state_dict(parts["model"])
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    return progress, parts["best"]
