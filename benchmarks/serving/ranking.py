"""Ranked recommendations beside the precomputed path of the same release, in one run.

The CPU time of a request is the server process's, over all requests of a rate. Its ratio to that of
a route that computes nothing hardly depends on the machine and on other load.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any
from urllib.parse import quote

import numpy as np

from benchmarks.rows import grid
from benchmarks.servers import Server, penchant_server, read_only_home
from benchmarks.serving.load import (
    Latencies,
    Request,
    at_rate,
    latency_row,
    latency_table,
    one_by_one,
)
from benchmarks.serving.source_recall import DAYS, own_recall
from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.releases.opened import OpenRelease
from penchant.releases.ranking_files import OWN_SOURCES, RankingFiles
from penchant.releases.release import MANIFEST, RANKED_LISTS, USER_SEGMENTS, Release
from penchant.releases.rows import Rows
from penchant.serving.ranking.ranker import BY_PROBABILITY, OpenRanker
from penchant.serving.ranking.sources import Merged, find, merge
from penchant.serving.recommending.user_state import PUBLISHED_ONLY, UserState
from penchant.settings import Settings

TITLE = "Ranked recommendations"
RATES, SECONDS = (50, 100, 200), 10
AIM = 200  # requests a second, of which p99 has a target
WARM_UP = 400  # requests
ROUNDS = 2  # of each server, in turn, so that other load on the machine affects both
STAGES = 300  # requests whose stages are timed in process
WORKERS = 2
RANKED, PRECOMPUTED, TRIVIAL = "ranking model", "precomputed list", "/healthz"
RANKED_BY_WORKERS = f"ranking model, {WORKERS} workers"


def measure(settings: Settings, *, note: str = "") -> dict[str, Any]:
    """``note``: of the page, such as that the model isn't that of a training run."""
    release = Release.open(settings, str(settings.live_release.current()))
    if release.manifest.ranking_model is None:
        raise UsageError(
            f"the live release {release.id} has no ranking model",
            "train and select a family that ranks candidates, then publish",
        )
    users = Rows.open(release.path, RANKED_LISTS).table["user_id"].to_pylist()
    draw = random.Random(0)
    requests = [
        Request("/v1/recommendations?user_id=" + quote(draw.choice(users))) for _ in range(AIM)
    ]
    with (
        read_only_home(settings) as home,
        _without_model(settings, release) as other,
        penchant_server(home, requests[0].path) as ranked,
        read_only_home(settings) as another,
        penchant_server(another, requests[0].path, workers=WORKERS) as workers,
        penchant_server(other, requests[0].path) as precomputed,
    ):
        rows = _rows(
            {
                RANKED: (ranked, requests),
                RANKED_BY_WORKERS: (workers, requests),
                PRECOMPUTED: (precomputed, requests),
                TRIVIAL: (ranked, [Request(TRIVIAL)]),
            }
        )
    figures = {"rows": rows, "note": note, **_stages(settings, release.id, users)}
    return figures | {"recall": _recall(settings, release)}


def _recall(settings: Settings, release: Release) -> dict[str, float | None]:
    """Recall@100 of each source: of the model's as its run measured it on the validation window."""
    files = OpenRelease(settings, release.id).ranking
    assert files is not None
    segments = None
    if release.has(USER_SEGMENTS):
        segments = Rows.open(release.path, USER_SEGMENTS).table
    measured = {
        source.name: source.recall_at_100 and source.recall_at_100["mean"]
        for source in files.record.sources
    }
    return measured | own_recall(Snapshot.open(settings, release.snapshot_id), segments)


def _rows(measured: Mapping[str, tuple[Server, list[Request]]]) -> list[dict[str, Any]]:
    """Latencies and CPU time at each rate, in turn."""
    loads = [(name, rate) for rate in RATES for name in measured]
    found: dict[tuple[str, int], list[Latencies]] = {load: [] for load in loads}
    cpu_seconds: Counter[tuple[str, int]] = Counter()
    for _ in range(ROUNDS):
        for server, requests in measured.values():
            one_by_one(server.port, list(islice(cycle(requests), WARM_UP)))
        for name, rate in loads:
            server, requests = measured[name]
            sent = list(islice(cycle(requests), rate * SECONDS))
            before = server.cpu_seconds()
            found[name, rate].append(at_rate(server.port, sent, rate))
            cpu_seconds[name, rate] += server.cpu_seconds() - before
    rows = []
    for name, rate in loads:
        aims = {"p99": 25.0} if name in (RANKED, RANKED_BY_WORKERS) and rate == AIM else {}
        row = latency_row(f"{name}, {rate} a second", *found[name, rate], **aims)
        row["cpu_ms"] = 1000 * cpu_seconds[name, rate] / row["requests"]
        row["of_trivial"] = cpu_seconds[name, rate] / cpu_seconds[TRIVIAL, rate]
        rows.append(row)
    return rows


def page(figures: dict[str, Any]) -> str:
    lines = [
        f"One release, served with its ranking model and, by a second server, with its precomputed "
        f"list. The model: {figures['trees']} trees, {figures['features']} features, up to "
        f"{figures['candidates']} candidates ({figures['found']:.0f} on average) of "
        f"{figures['sources']} sources. Features of users and pairs are read from the online store "
        f"for each request; those of items are in the release. A server is one process, or "
        f"{WORKERS} where the row says so. {figures['note']}".rstrip(),
        "",
        latency_table(figures["rows"]),
        "",
        f"The server's CPU time for a request, and its ratio to `{TRIVIAL}`:",
        "",
        grid(
            ["what", "CPU, ms", "ratio"],
            [
                [row["what"], f"{row['cpu_ms']:.2f}", f"{row['of_trivial']:.1f}"]
                for row in figures["rows"]
            ],
        ),
        "",
        "CPU time of the stages of a ranked request in one thread, without HTTP, policy and log:",
        "",
        grid(
            ["stage", "CPU, ms"],
            [[name, f"{cpu_ms:.2f}"] for name, cpu_ms in figures["stages"].items()],
        ),
        "",
        "Recall@100 of the candidate sources: of the model's on the validation window of its run, "
        f"of the release's own ({', '.join(OWN_SOURCES)}) on the last {DAYS} days of the data.",
        "",
        grid(
            ["source", "recall@100"],
            [
                [name, "not measured" if share is None else f"{share:.3f}"]
                for name, share in figures["recall"].items()
            ],
        ),
    ]
    return "\n".join(lines)


@contextmanager
def _without_model(settings: Settings, release: Release) -> Iterator[Path]:
    """A home like that of ``read_only_home`` whose release has no ranking model."""
    with read_only_home(settings) as home, TemporaryDirectory(prefix="penchant-bench-") as scratch:
        releases = Path(scratch)
        copy = releases / release.id
        copy.mkdir()
        for path in release.path.iterdir():
            if path.name != MANIFEST:
                (copy / path.name).symlink_to(path.resolve())
        manifest = json.loads((release.path / MANIFEST).read_text())
        (copy / MANIFEST).write_text(json.dumps(manifest | {"ranking_model": None}))
        (releases / "CURRENT").write_text(settings.live_release.path.read_text())
        (home / "releases").unlink()
        (home / "releases").symlink_to(releases)
        yield home


def _stages(settings: Settings, release_id: str, users: list[str]) -> dict[str, Any]:
    """CPU milliseconds of each stage over requests of different users, and sizes."""
    opened = OpenRelease(settings, release_id)
    files = opened.ranking
    assert files is not None
    ranker = OpenRanker.open(opened, files)
    states = [PUBLISHED_ONLY.of(opened, user) for user in users[:STAGES]]
    merged = [_merged(opened, files, state) for state in states]
    requests = [
        ranker.features.of(state.user_id, each) for state, each in zip(states, merged, strict=True)
    ]
    calls: dict[str, Callable[[int], Any]] = {
        "candidates": lambda at: _merged(opened, files, states[at]),
        "features": lambda at: ranker.features.of(states[at].user_id, merged[at]),
        "model": lambda at: ranker.model.raw_scores(requests[at]),
        "all stages": lambda at: ranker.rank(opened, states[at], None, BY_PROBABILITY),
    }
    return {
        "stages": {name: _cpu_ms(call, len(states)) for name, call in calls.items()},
        "trees": files.record.model.trees,
        "features": len(files.record.features),
        "sources": len(files.record.sources),
        "candidates": files.record.candidates,
        "found": float(np.mean([len(each.items_C) for each in merged])),
    }


def _merged(opened: OpenRelease, files: RankingFiles, state: UserState) -> Merged:
    return merge(find(opened, files, state, None), files.record.candidates)


def _cpu_ms(call: Callable[[int], Any], count: int) -> float:
    """CPU milliseconds of a call, of the fastest of a few rounds; the first warms up."""
    rounds = []
    for _ in range(4):
        before = process_time()
        for at in range(count):
            call(at)
        rounds.append(process_time() - before)
    return 1000 * min(rounds[1:]) / count
