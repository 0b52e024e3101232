"""What is pruned, what never is, and what a kill leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penchant.artifacts import SnapshotDescription, TrainingStart
from penchant.pruning import prune as module
from penchant.pruning.prune import pin, prune
from penchant.settings import Settings

PLACES = ("online", "runs", "ads", "run_ids")


def ids(settings: Settings, place: str = "snapshots") -> list[int]:
    return sorted(int(path.name[-12:]) for path in (settings.home / place).glob("s-*"))


def identifier(number: int) -> str:
    return f"s-20180102-{number:012d}"


@pytest.fixture
def home(settings: Settings) -> Settings:
    """Nine snapshots, the first built first, each with features and runs."""
    for number in range(1, 10):
        name = identifier(number)
        path = settings.snapshots / name / "snapshot.json"
        SnapshotDescription(id=name, as_of="2018-01-02").write(path)
        os.utime(path, (number, number))
        for place in PLACES:
            file = settings.home / place / name / "file"
            file.parent.mkdir(parents=True)
            file.write_text("content")
    return settings


def test_keeps_what_is_live_previous_pinned_and_new(home: Settings) -> None:
    for number in (1, 2, 3):
        home.live_snapshot.flip(identifier(number))
    home.live_features.flip(identifier(4))
    pin(home, identifier(5))
    report = prune(home)
    assert report.removed == tuple(identifier(number) for number in (1, 6))
    for place in ("snapshots", *PLACES):
        assert ids(home, place) == [2, 3, 4, 5, 7, 8, 9], place
    assert report.kept[identifier(5)] == "pinned"
    assert report.freed_bytes > 0
    pin(home, identifier(5), remove=True)
    assert prune(home).removed == (identifier(5),)
    assert prune(home).removed == ()


def test_snapshot_of_a_release_is_kept(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Release:
        id, snapshot_id = "r-1", identifier(1)

    monkeypatch.setattr(module, "on_disk", lambda settings: [Release])
    assert identifier(1) not in prune(home).removed


def test_snapshot_of_a_running_stage_is_kept(home: Settings) -> None:
    lock = home.snapshot_lock(identifier(1))
    code = (
        "import sys; from pathlib import Path; from penchant.storage import hold;"
        f"hold(Path({str(lock)!r})); print('held', flush=True); sys.stdin.read()"
    )
    stage = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert stage.stdout is not None
    assert stage.stdout.readline() == "held\n"
    assert prune(home).kept[identifier(1)] == "in use"
    assert 1 in ids(home)
    stage.kill()
    stage.wait()
    assert identifier(1) in prune(home).removed


def test_killed_prune_leaves_nothing_that_looks_complete(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed: list[str] = []
    rename = Path.rename

    def killed_after_two(path: Path, target: Path) -> Path:
        if len(renamed) == 2:
            raise KeyboardInterrupt
        renamed.append(path.name)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed_after_two)
    with pytest.raises(KeyboardInterrupt):
        prune(home)
    monkeypatch.undo()
    # the features were renamed first, and the snapshot itself is whole
    assert (home.snapshots / identifier(1) / "snapshot.json").exists()
    assert 1 in map(int, [name[-12:] for name in prune(home).removed])
    assert list(home.home.rglob(".pruned-*")) == []


def test_snapshot_that_families_start_from_is_kept(home: Settings) -> None:
    start = TrainingStart(snapshot_id=identifier(9), cold=identifier(2))
    start.write(TrainingStart.path(home.runs / identifier(9)))
    assert prune(home).kept[identifier(2)] == f"families of {identifier(9)} start from it"
