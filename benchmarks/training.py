"""Seconds and memory of training, ours beside widely used packages, on Amazon Beauty.

PENCHANT_PUBLISHED_DATA names the folder of the S3-Rec files (Zhou et al. 2020). Ours and each peer
learn from the same file with the same size and number of threads, each in a process of its own. A
figure is the median over epochs and repeats. A peer that does not finish an epoch in its time is
measured by its steps; the row says so.

Sequence models are compared by the epoch, and by the seconds that ours needs to reach the best
validation NDCG@10 that the peer reached in ``--peer-minutes``, on each fourth user, by full ranking
without the items that a user had. Evaluation is not timed.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import peer, threads
from benchmarks.rows import Row, table
from penchant.errors import UsageError
from penchant.settings import Settings

TITLE = "Training speed"
THREADS = 2


@dataclass(frozen=True)
class Peer:
    """``package`` names its script and its environment. ``target`` is on ours and this one."""

    package: str
    model: str
    target: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Part:
    """One model and its peers. ``settings``: given to all of their scripts. ``ours``: our models,
    each with a note for its rows. ``unit``: what the seconds are for. ``to_goal``: whether to
    compare the first model's time to a validation NDCG@10 too. ``short``: why it misses."""

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
        "only padding is saved there. Shared negatives save the rest. In its minutes a peer "
        "completes an epoch or less, so its validation NDCG is low.",
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
class Runner:
    """Runs our and the peers' scripts on one table."""

    table: Path
    peer_seconds: float

    def run(self, package: str | None, model: str, settings: dict[str, Any]) -> Any:
        """The ``Result`` of peer.py that a package's script prints; ours for None."""
        script = f"with_{package}" if package else "ours"
        print(f"{model}: {script} ...", flush=True)
        given = {"threads": THREADS, "seconds": self.peer_seconds, **settings}
        environment = threads(THREADS)
        if package == "implicit":  # it has threads of its own, which BLAS threads slow down
            environment["OPENBLAS_NUM_THREADS"] = "1"
        arguments = (model, self.table, json.dumps(given))
        result = peer(script, *arguments, package=package, environment=environment)
        print(f"  {median(result['seconds']):.3g} s, {result['peak_mb']:,.0f} MB", flush=True)
        return result


def measure(
    settings: Settings,
    *,
    models: tuple[str, ...] = tuple(part.name for part in PARTS),
    peer_minutes: float = 3.0,
) -> dict[str, Any]:
    """``peer_minutes``: training time of each sequence model of a peer."""
    if settings.published_data is None:
        raise UsageError(
            "PENCHANT_PUBLISHED_DATA is not set",
            "set it to the folder with Beauty.txt and Beauty_item2attributes.json",
        )
    runner = Runner(settings.published_data.resolve() / "Beauty.txt", 60 * peer_minutes)
    rows = [row for part in PARTS if part.name in models for row in rows_of(part, runner)]
    return {"rows": [row.as_dict() for row in rows]}


def rows_of(part: Part, runner: Runner) -> list[Row]:
    ours = {note: runner.run(None, model, part.settings) for model, note in part.ours}
    theirs = {each: runner.run(each.package, each.model, part.settings) for each in part.peers}
    rows = []
    for note, result in ours.items():
        what = f"{part.name}: {part.unit}" + (f", {note}" if note else "")
        for each, found in theirs.items():
            notes = ", ".join(one for one in (each.note, found["note"]) if one)
            name = found["package"] + (f": {notes}" if notes else "")
            seconds = median(result["seconds"]), median(found["seconds"])
            rows.append(_row(what, each, seconds, name, result, found))
    if part.to_goal:
        rows += goal_rows(part, theirs, runner)
    result = next(iter(ours.values()))
    if result["ranking"]:
        what = f"{part.name}: scores and best 10 of all 22,363 users"
        rows.append(Row(what, median(result["ranking"]), "s", "<= 2", memory_mb=result["peak_mb"]))
    return rows


def _row(
    what: str, each: Peer, seconds: tuple[float | str, float], name: str, ours: Any, theirs: Any
) -> Row:
    memory = ours["peak_mb"], theirs["peak_mb"]
    return Row(what, seconds[0], "s", each.target, seconds[1], name, *memory)


def goal_rows(part: Part, theirs: dict[Peer, Any], runner: Runner) -> list[Row]:
    """Seconds to the best validation of each peer; ours is trained once, to the highest of them."""
    best = {each: max(found["curve"], key=lambda point: point[1]) for each, found in theirs.items()}
    highest = max(ndcg for _, ndcg in best.values())
    ours = runner.run(None, part.ours[0][0], {**part.settings, "goal": highest})
    rows = []
    for each, (seconds, ndcg) in best.items():
        reached = [moment for moment, found in ours["curve"] if found >= ndcg]
        what = f"{part.name}: to validation NDCG@10 {ndcg:.4f}, the best of {each.package}"
        pair = reached[0] if reached else "not reached", seconds
        rows.append(_row(what, each, pair, theirs[each]["package"], ours, theirs[each]))
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
