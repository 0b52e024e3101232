"""The loop: resumes as if nothing had happened, stops on nonsense, keeps the best."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from penchant.errors import PenchantError
from training.budget import Budget
from training.family import Bench
from training.trainer import CHECKPOINT, TrainerConfig, fit_by_gradient, learning_rate

CONFIG = TrainerConfig(steps=30, learning_rate=0.05, warmup_steps=3, validate_every=5, patience=9)


class Line(nn.Module):
    """Learns to double, with a dropout so that the random state counts."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)
        self.dropout = nn.Dropout(0.2)

    def loss(self, batch: torch.Tensor) -> torch.Tensor:
        return (self.layer(self.dropout(batch)) - 2 * batch).square().mean()


def batch_of(step: int) -> torch.Tensor:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(step))


def bench(scratch: Path, seconds: float = 600) -> Bench:
    return Bench(None, None, torch.device("cpu"), 5, Budget(seconds, 10**6), scratch)  # type: ignore[arg-type]


def score(model: Line) -> Callable[[], float]:
    return lambda: -model.loss(batch_of(99)).item()


def train_line(scratch: Path, batches: Callable[[int], torch.Tensor] = batch_of) -> Line:
    model = Line()
    fit_by_gradient(model, batches, score(model), CONFIG, bench(scratch))
    return model


def same(ours: nn.Module, theirs: nn.Module) -> bool:
    theirs_state = theirs.state_dict()
    return all(
        torch.equal(tensor, theirs_state[name]) for name, tensor in ours.state_dict().items()
    )


def test_it_learns(tmp_path: Path) -> None:
    assert score(train_line(tmp_path))() > score(Line())() / 2


def test_a_run_that_was_cut_off_resumes_to_the_same_weights(tmp_path: Path) -> None:
    def cut_off(step: int) -> torch.Tensor:
        if step == 17:  # the checkpoint is of step 15
            raise KeyboardInterrupt
        return batch_of(step)

    with pytest.raises(KeyboardInterrupt):
        train_line(tmp_path / "cut", cut_off)
    assert same(train_line(tmp_path / "cut"), train_line(tmp_path / "whole"))


def test_a_killed_process_resumes_to_the_same_weights(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; import test_trainer as t\n"
        "def die(step):\n"
        "    if step == 22: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return t.batch_of(step)\n"
        "t.train_line(Path(sys.argv[1]), die)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "killed")], env=environment, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert same(train_line(tmp_path / "killed"), train_line(tmp_path / "whole"))


def test_a_loss_that_is_not_a_number_stops_it_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    def spoiled(step: int) -> torch.Tensor:
        return batch_of(step) * (torch.nan if step == 12 else 1)

    with pytest.raises(
        PenchantError, match=r"diverged at step 12: loss nan[\s\S]*last good checkpoint"
    ):
        train_line(tmp_path / "spoiled", spoiled)
    assert (tmp_path / "spoiled" / CHECKPOINT).exists()
    assert same(train_line(tmp_path / "spoiled"), train_line(tmp_path / "whole"))


def test_it_stops_when_nothing_improves_and_returns_the_best(tmp_path: Path) -> None:
    scores = iter([0.0, 0.1, 0.9, 0.5, 0.5])
    seen: list[dict[str, torch.Tensor]] = []
    model = Line()

    def validate() -> float:
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return next(scores)

    config = TrainerConfig(steps=100, validate_every=5, patience=2)
    progress = fit_by_gradient(model, batch_of, validate, config, bench(tmp_path))
    assert (progress.step, progress.best_step, progress.stopped) == (20, 10, "no improvement")
    assert torch.equal(model.layer.weight, seen[2]["layer.weight"])


def test_it_stops_in_time(tmp_path: Path) -> None:
    model = Line()
    progress = fit_by_gradient(model, batch_of, score(model), CONFIG, bench(tmp_path, seconds=1e-9))
    assert (progress.step, progress.stopped) == (1, "out of time")


def test_the_learning_rate_warms_up_and_falls() -> None:
    rates = [learning_rate(CONFIG, step) for step in range(CONFIG.steps)]
    assert rates[0] == pytest.approx(0.05 / 3)
    assert max(rates) == rates[2] == pytest.approx(0.05)
    assert rates[-1] < 0.01
