"""The loop: resumes as if nothing had happened, stops on nonsense, keeps the best."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import structlog
import torch
from planted import SNAPSHOT, plant
from torch import nn

import training.commands.train
from penchant.errors import PenchantError
from penchant.settings import Settings
from training.configs import config_for, main_job
from training.evaluation.synthetic.privacy import shortened
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.trainer import CHECKPOINT, TrainerConfig, fit_by_gradient, learning_rate

HERE = Path(__file__).parent
IMPORTS = (  # the package `training` first: the tests have a folder of the same name
    f"import sys, training; sys.path += {[str(HERE), str(HERE.parent)]!r}; import test_trainer as t"
)
CONFIG = TrainerConfig(steps=30, learning_rate=0.05, warmup_steps=3, validate_every=5, patience=9)


@dataclass(frozen=True)
class Rows:
    """A batch; each row is a target."""

    rows_B4: torch.Tensor

    @property
    def targets(self) -> int:
        return len(self.rows_B4)

    def part(self, index: int, count: int) -> "Rows":
        return Rows(self.rows_B4[index::count])


class Line(nn.Module):
    """Learns to double, with a dropout so that the random state counts.

    Runs out of memory in training, as torch says it on the CPU, above ``max_rows`` rows.
    """

    def __init__(self, dropout: float = 0.2, max_rows: int = 10**6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)
        self.unread = nn.Linear(2, 2)  # DDP must not wait for it
        self.dropout = nn.Dropout(dropout)
        self.max_rows = max_rows

    def loss(self, batch: Rows) -> torch.Tensor:
        if self.training and batch.targets > self.max_rows:
            torch.empty(1 << 60)
        doubled_B4 = self.layer(self.dropout(batch.rows_B4))
        return (doubled_B4 - 2 * batch.rows_B4).square().mean()


def batch_of(step: int) -> Rows:
    return Rows(torch.randn(7, 4, generator=torch.Generator().manual_seed(step)))


def context(scratch: Path, seconds: float = 600) -> TrainingContext:
    return TrainingContext(None, None, torch.device("cpu"), 5, Budget(seconds, 10**6), scratch)  # type: ignore[arg-type]


def score(model: Line) -> Callable[[], float]:
    return lambda: -model.loss(batch_of(99)).item()


def train_line(
    scratch: Path, batches: Callable[[int], Rows] = batch_of, line: Line | None = None
) -> Line:
    model = line or Line()
    fit_by_gradient(model, batches, score(model), CONFIG, context(scratch))
    return model


def same(ours: nn.Module, theirs: nn.Module) -> bool:
    theirs_state = theirs.state_dict()
    return all(
        torch.equal(tensor, theirs_state[name]) for name, tensor in ours.state_dict().items()
    )


def test_training_reduces_loss(tmp_path: Path) -> None:
    assert score(train_line(tmp_path))() > score(Line())() / 2


def test_interrupted_run_resumes_to_same_weights(tmp_path: Path) -> None:
    def cut_off(step: int) -> Rows:
        if step == 17:  # the checkpoint is of step 15
            raise KeyboardInterrupt
        return batch_of(step)

    with pytest.raises(KeyboardInterrupt):
        train_line(tmp_path / "cut", cut_off)
    assert same(train_line(tmp_path / "cut"), train_line(tmp_path / "whole"))


def test_killed_process_resumes_to_same_weights(tmp_path: Path) -> None:
    script = (
        f"{IMPORTS}; import os, signal; from pathlib import Path\n"
        "def die(step):\n"
        "    if step == 22: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return t.batch_of(step)\n"
        "t.train_line(Path(sys.argv[1]), die)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert same(train_line(tmp_path / "killed"), train_line(tmp_path / "whole"))


def test_nan_loss_stops_and_keeps_last_checkpoint(tmp_path: Path) -> None:
    def spoiled(step: int) -> Rows:
        return Rows(batch_of(step).rows_B4 * (torch.nan if step == 12 else 1))

    with pytest.raises(
        PenchantError, match=r"diverged at step 12: loss nan[\s\S]*last good checkpoint"
    ):
        train_line(tmp_path / "spoiled", spoiled)
    assert (tmp_path / "spoiled" / CHECKPOINT).exists()
    assert same(train_line(tmp_path / "spoiled"), train_line(tmp_path / "whole"))


def test_out_of_memory_halves_batch_with_same_result(tmp_path: Path) -> None:
    small, large = Line(dropout=0, max_rows=2), Line(dropout=0)
    with structlog.testing.capture_logs() as logs:
        progress = fit_by_gradient(
            small, batch_of, score(small), CONFIG, context(tmp_path / "small")
        )
    fit_by_gradient(large, batch_of, score(large), CONFIG, context(tmp_path / "large"))
    assert progress.record()["batch_halvings"] == 2  # 7 rows: 2, 2, 2 and 1
    assert [line["pieces"] for line in logs if "halved" in line["event"]] == [2, 4]
    torch.testing.assert_close(small.state_dict(), large.state_dict())


def test_halved_batch_is_restored_on_resume(tmp_path: Path) -> None:
    def cut_off(step: int) -> Rows:
        if step == 17:
            raise KeyboardInterrupt
        return batch_of(step)

    with pytest.raises(KeyboardInterrupt):
        train_line(tmp_path / "cut", cut_off, Line(max_rows=2))
    expected = train_line(tmp_path / "cut", line=Line())  # dropout differs unless halved
    assert same(expected, train_line(tmp_path / "whole", line=Line(max_rows=2)))


def test_out_of_memory_for_single_row_raises(tmp_path: Path) -> None:
    with pytest.raises(PenchantError, match=r"out of memory with a batch of 7 targets in 4 pieces"):
        train_line(tmp_path, line=Line(max_rows=0))


def test_two_processes_learn_same_weights_as_one(tmp_path: Path) -> None:
    """Seven rows: the parts are of unequal size, so their gradients count unequally."""
    train_in_two(tmp_path, f"{IMPORTS}; t.train_line_of_two()")
    whole = Line(dropout=0)
    progress = fit_by_gradient(whole, batch_of, score(whole), CONFIG, context(tmp_path / "one"))
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found["state"], whole.state_dict(), rtol=1e-5, atol=1e-6)
        assert found["best_step"] == progress.best_step
        assert found["best_score"] == pytest.approx(progress.best_score, rel=1e-4)
        assert found["validations"] == (7 if rank == 0 else 0)


@pytest.mark.long
def test_two_processes_train_same_family_as_one(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same code; one run is left, of the first process."""
    two_home = tmp_path / "two"
    plant(Settings(home=two_home))
    train_in_two(tmp_path, f"{IMPORTS}; t.train_sasrec('two')")
    monkeypatch.setattr(
        training.commands.train, "config_for", config_for
    )  # put back what the next line sets
    plant(settings)
    train_sasrec(str(settings.home))
    homes = (settings.home, two_home)
    (one,), (two,) = (
        [json.loads(path.read_text()) for path in home.glob("runs/*/*/run.json")] for home in homes
    )
    assert one["run_id"] == two["run_id"]
    curves = [
        np.array([value for name, _, value, _ in run["curve"] if name == "loss"])
        for run in (one, two)
    ]
    assert len(curves[0]) > 1
    np.testing.assert_allclose(*curves, rtol=1e-5)
    scores = [
        np.stack(pq.read_table(path)["scores"].to_pylist())
        for home in homes
        for path in home.glob("runs/*/*/ranked_lists.parquet")
    ]
    np.testing.assert_allclose(*scores, rtol=1e-3, atol=1e-6)  # sums are in another order


def train_sasrec(home: str) -> None:
    """What each process of the test above does. Without dropout: each process draws its own."""
    config = shortened(main_job("sasrec"), 0.2)
    learning = replace(config.learning, embedding_dropout=0.0)
    training.commands.train.config_for = lambda settings, family: replace(
        config, dropout=0.0, learning=learning
    )
    training.commands.train.train(Settings(home=Path(home), threads=1), SNAPSHOT, "sasrec")


def train_line_of_two() -> None:
    """What each process of the test above does, in the folder of the test."""
    rank = int(os.environ["RANK"])
    model, validations = Line(dropout=0), []

    def validate() -> float:
        validations.append(1)
        return score(model)()

    shared = context(Path("checkpoints"))
    progress = fit_by_gradient(model, batch_of, validate, CONFIG, shared)
    found = {"state": model.state_dict(), "validations": len(validations)}
    found |= {"best_step": progress.best_step, "best_score": progress.best_score}
    torch.save(found, f"{rank}.pt")


def train_in_two(folder: Path, script: str) -> None:
    """Run a script in two processes under torchrun."""
    (folder / "script.py").write_text(script)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py"]
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True)


def test_stops_without_improvement_and_restores_best(tmp_path: Path) -> None:
    scores = iter([0.0, 0.1, 0.9, 0.5, 0.5])
    seen: list[dict[str, torch.Tensor]] = []
    model = Line()

    def validate() -> float:
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return next(scores)

    config = TrainerConfig(steps=100, validate_every=5, patience=2)
    progress = fit_by_gradient(model, batch_of, validate, config, context(tmp_path))
    assert (progress.step, progress.best_step, progress.stopped) == (20, 10, "no improvement")
    assert torch.equal(model.layer.weight, seen[2]["layer.weight"])


def test_stops_within_time_budget(tmp_path: Path) -> None:
    model = Line()
    progress = fit_by_gradient(
        model, batch_of, score(model), CONFIG, context(tmp_path, seconds=-1.0)
    )
    assert (progress.step, progress.stopped) == (1, "out of time")


def test_learning_rate_warms_up_and_decays() -> None:
    rates = [learning_rate(CONFIG, step) for step in range(CONFIG.steps)]
    assert rates[0] == pytest.approx(0.05 / 3)
    assert max(rates) == rates[2] == pytest.approx(0.05)
    assert rates[-1] < 0.01
