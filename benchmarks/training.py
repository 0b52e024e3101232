"""Seconds and memory of learning, ours beside what people use now, on Amazon Beauty.

PENCHANT_PUBLISHED_DATA names the folder of the S3-Rec files (Zhou et al. 2020).

Ours and each peer learn from the same file with the same size and the same number of threads, each
in a process of its own, one after the other. Peers have a virtual environment each, made on first
use. A figure is the median over epochs and repeats, with the process's peak memory beside it. A
peer too slow for an epoch in its time is measured by the steps that it made: the row says so.

Sequence models are compared twice: by the epoch, and by the seconds that ours needs to reach the
best validation NDCG@10 that the peer reached in ``--peer-minutes``. All are evaluated on every
fourth user, by full ranking with what a user had masked; evaluation is not timed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rows import Row, table
from penchant.errors import UsageError
from penchant.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
TITLE = "Training speed"
PEERS = ROOT / "benchmarks" / "peers"
THREADS = 2


@dataclass(frozen=True)
class Peer:
    """``package`` names its script and its environment. ``target`` is on ours and this one."""

    package: str
    model: str
    target: str | None = None
    says: str = ""


@dataclass(frozen=True)
class Part:
    """One model and its peers. ``settings``: given to all of their scripts. ``ours``: our models,
    each with what its rows say of it. ``unit``: of what the seconds are. ``to_goal``: whether to
    compare the time to a validation NDCG@10 too, of the first of ours. ``short``: why a target that
    is missed is."""

    name: str
    unit: str
    settings: dict[str, Any]
    ours: tuple[tuple[str, str], ...]
    peers: tuple[Peer, ...]
    to_goal: bool = False
    short: str = ""


def transformer(name: str) -> Part:
    """The sizes are RecTools' example's and RecBole's own; dropout is RecTools' own."""
    return Part(
        name,
        "an epoch of 2 layers, 64 dimensions, 50 events",
        {
            **{"dimensions": 64, "layers": 2, "heads": 2, "length": 50, "dropout": 0.2},
            **{"batch": 128, "epochs": 3, "repeats": 1},
        },
        ((name, "as for our table"), (f"{name}-whole", "whole softmax, batches of 128 histories")),
        (Peer("rectools", name, ">= 25 x"), Peer("recbole", name, ">= 40 x")),
        to_goal=True,
        short="the whole softmax multiplies each state with all 12,101 items, as the peers do: "
        "what is saved there is only the padding. Shared negatives save the rest. To a validation:"
        " in its minutes a peer makes an epoch or less, so it reaches little.",
    )


PARTS = (
    Part(
        "als",
        "a sweep, 128 factors",
        {"dimensions": 128, "epochs": 5, "repeats": 3},
        (("als", "exact"),),
        (
            Peer("implicit", "als", ">= 1 x", "3 steps of conjugate gradients"),
            Peer("implicit", "als-exact", None, "exact"),
        ),
        short="three steps of conjugate gradients do less than an exact solve, with which ours is "
        "compared in the second row. It is bound by memory: batches on a thread each gained a "
        "seventh. Next: conjugate gradients in its whitened coordinates.",
    ),
    Part(
        "bpr",
        "an epoch, 64 factors",
        {"dimensions": 64, "epochs": 10, "repeats": 3},
        (("bpr", ""),),
        (Peer("implicit", "bpr", ">= 1 x"), Peer("cornac", "bpr")),
        short="both peers are a compiled loop over single triples that stay in the cache, without "
        "locks; ours makes tensors of each block. Next: the same loop, compiled.",
    ),
    Part(
        "word2vec",
        "an epoch, 64 dimensions, window 5, 5 negatives",
        {"dimensions": 64, "window": 5, "negatives": 5, "epochs": 5, "repeats": 3},
        (("word2vec", ""),),
        (Peer("gensim", "word2vec", ">= 1 x"),),
    ),
    Part(
        "ease",
        "a solve of all items",
        {"regularization": 300.0, "repeats": 3},
        (("ease", "single precision"),),
        (
            Peer("numpy", "ease", ">= 2 x", "np.linalg.inv, single precision"),
            Peer("cornac", "ease", None, "np.linalg.inv, double precision"),
        ),
    ),
    Part(
        "vae",
        "one row for each user, 64 dimensions, batches of 128",
        {"dimensions": 64, "length": 50, "batch": 128, "epochs": 2, "repeats": 1},
        (("vae", ""),),
        (Peer("cornac", "vae"),),
    ),
    transformer("sasrec"),
    transformer("bert4rec"),
)


@dataclass(frozen=True)
class Place:
    """Where the measured scripts find what they need."""

    table: Path
    venvs: Path
    peer_seconds: float

    def run(self, python: Path, script: str, model: str, settings: dict[str, Any]) -> Any:
        """The result of a script, a dict as in peer.py's ``Result``. Raises CalledProcessError."""
        print(f"{model}: {script} ...", flush=True)
        given = {"threads": THREADS, "users": None, "seconds": self.peer_seconds, **settings}
        files = (python, PEERS / f"{script}.py", model, self.table)
        command = [*map(str, files), json.dumps(given)]
        threads = {f"{name}_NUM_THREADS": str(THREADS) for name in ("OMP", "MKL", "OPENBLAS")}
        if script == "with_implicit":  # has threads of its own; more within them make it slow
            threads["OPENBLAS_NUM_THREADS"] = "1"
        with tempfile.TemporaryDirectory(prefix="penchant-peer-") as folder:
            done = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, **threads},
                capture_output=True,
                text=True,
            )
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            done.check_returncode()
        result = json.loads(done.stdout.splitlines()[-1])
        print(f"  {median(result['seconds']):.3g} s, {result['peak_mb']:,.0f} MB", flush=True)
        return result

    def ours(self, model: str, settings: dict[str, Any]) -> Any:
        return self.run(Path(sys.executable), "ours", model, settings)

    def peer(self, peer: Peer, settings: dict[str, Any]) -> Any:
        python = environment(peer.package, self.venvs)
        return self.run(python, f"with_{peer.package}", peer.model, settings)


def measure(
    settings: Settings,
    *,
    models: tuple[str, ...] = tuple(part.name for part in PARTS),
    peer_minutes: float = 3.0,
    venvs: str = str(ROOT / ".peers"),
) -> dict[str, Any]:
    """``peer_minutes``: for each sequence model; ``venvs``: folder of the peers' environments."""
    if settings.published_data is None:
        raise UsageError(
            "PENCHANT_PUBLISHED_DATA is not set",
            "set it to the folder with Beauty.txt and Beauty_item2attributes.json",
        )
    table_file = settings.published_data.resolve() / "Beauty.txt"
    place = Place(table_file, Path(venvs).resolve(), 60 * peer_minutes)
    rows = [row for part in PARTS if part.name in models for row in rows_of(part, place)]
    return {"rows": [row.as_dict() for row in rows]}


def rows_of(part: Part, place: Place) -> list[Row]:
    ours = {says: place.ours(model, part.settings) for model, says in part.ours}
    theirs = {peer: place.peer(peer, part.settings) for peer in part.peers}
    rows = []
    for says, result in ours.items():
        what = f"{part.name}: {part.unit}" + (f", {says}" if says else "")
        rows += [epoch_row(what, result, peer, found) for peer, found in theirs.items()]
    if part.to_goal:
        rows += goal_rows(part, theirs, place)
    name, result = part.name, next(iter(ours.values()))
    if result["ranking"]:
        what = f"{name}: scores and best 10 of all 22,363 users"
        rows.append(Row(what, median(result["ranking"]), "s", "<= 2", memory_mb=result["peak_mb"]))
    return rows


def epoch_row(what: str, ours: Any, peer: Peer, theirs: Any) -> Row:
    says = ", ".join(one for one in (peer.says, theirs["note"]) if one)
    return Row(
        what,
        median(ours["seconds"]),
        "s",
        peer.target,
        median(theirs["seconds"]),
        theirs["package"] + (f": {says}" if says else ""),
        ours["peak_mb"],
        theirs["peak_mb"],
    )


def goal_rows(part: Part, theirs: dict[Peer, Any], place: Place) -> list[Row]:
    """Seconds to the best validation of each peer; ours is trained once, to the highest of them."""
    best = {peer: max(found["curve"], key=lambda point: point[1]) for peer, found in theirs.items()}
    highest = max(ndcg for _, ndcg in best.values())
    ours = place.ours(part.ours[0][0], {**part.settings, "goal": highest})
    rows = []
    for peer, (seconds, ndcg) in best.items():
        reached = [moment for moment, found in ours["curve"] if found >= ndcg]
        what = f"{part.name}: to validation NDCG@10 {ndcg:.4f}, the best of {peer.package}"
        rows.append(
            Row(
                what,
                reached[0] if reached else "not reached",
                "s",
                peer.target,
                seconds,
                theirs[peer]["package"],
                ours["peak_mb"],
                theirs[peer]["peak_mb"],
            )
        )
    return rows


HEAD = f"""{THREADS} threads each, on Amazon Beauty: 22,363 users, 12,101 items, 131,413 training
events. Our model and the peer's have the same size; each runs in a process of its own, one after
the other. *Times* is how many times less than the peer ours takes. MB is the peak of the process.
"""


def page(figures: dict[str, Any]) -> str:
    """The table, and the reason of each target that was missed."""
    lines = [HEAD, table(figures["rows"])]
    rows = [Row.from_dict(record) for record in figures["rows"]]
    for part in PARTS:
        missed = [row for row in rows if row.what.startswith(f"{part.name}: ") and row.met is False]
        if part.short and missed:
            lines += ["", f"Why `{part.name}` misses its target: {part.short}"]
    return "\n".join(lines)


def environment(package: str, venvs: Path) -> Path:
    """The Python that has a peer; made where its requirements are new."""
    wanted = (PEERS / f"requirements-{package}.txt").read_text()
    folder = venvs / package
    python = folder / "bin" / "python"
    ready = folder / ".ready"  # written last: an install that was cut short is done again
    if not ready.exists() or ready.read_text() != wanted:
        print(f"installing {package} into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = ["-m", "pip", "install", "--quiet", *wanted.split()]
        subprocess.run([str(python), *install], check=True)
        ready.write_text(wanted)
    return python
