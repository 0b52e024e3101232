"""Ranked recommendations beside the precomputed path of the same release, in one run."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from urllib.parse import quote

import numpy as np

from benchmarks.rows import grid
from benchmarks.servers import penchant_server, read_only_home
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
from penchant.releases.ranking_files import OWN_SOURCES
from penchant.releases.release import MANIFEST, RANKED_LISTS, USER_SEGMENTS, Release
from penchant.releases.rows import Rows
from penchant.serving.ranking.ranker import BY_PROBABILITY, OpenRanker
from penchant.serving.ranking.sources import find, merge
from penchant.serving.recommending.user_state import PUBLISHED_ONLY
from penchant.settings import Settings

TITLE = "Ranked recommendations"
RATE, SECONDS = 200, 20
ONE_BY_ONE, WARM_UP = 300, 400  # requests
ROUNDS = 2  # of each server, in turn, so that other load on the machine affects both
STAGES = 300  # requests whose stages are timed in process
RANKED, PRECOMPUTED = "ranking model", "precomputed list"


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
        Request("/v1/recommendations?user_id=" + quote(draw.choice(users))) for _ in range(RATE)
    ]
    with (
        read_only_home(settings) as home,
        _without_model(settings, release) as other,
        penchant_server(home, requests[0].path) as ranked,
        penchant_server(other, requests[0].path) as precomputed,
    ):
        rows = _rows({RANKED: ranked.port, PRECOMPUTED: precomputed.port}, requests)
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


def _rows(ports: dict[str, int], requests: list[Request]) -> list[dict[str, Any]]:
    """Latencies of each server, in turn."""
    single: dict[str, list[Latencies]] = {name: [] for name in ports}
    loaded: dict[str, list[Latencies]] = {name: [] for name in ports}
    for _ in range(ROUNDS):
        for name, port in ports.items():
            one_by_one(port, (requests * 2)[:WARM_UP])
            single[name].append(one_by_one(port, (requests * 2)[:ONE_BY_ONE]))
            loaded[name].append(at_rate(port, requests * SECONDS, RATE))
    rows = []
    for name in ports:
        aims = {"p99": 25.0} if name == RANKED else {}
        rows.append(latency_row(f"{name}, one by one", *single[name]))
        rows.append(latency_row(f"{name}, at a rate", *loaded[name], **aims))
    return rows


def page(figures: dict[str, Any]) -> str:
    lines = [
        f"One release, served with its ranking model and, by a second server, with its precomputed "
        f"list. The model: {figures['trees']} trees, {figures['features']} features, up to "
        f"{figures['candidates']} candidates ({figures['found']:.0f} on average) of "
        f"{figures['sources']} sources. Features are read from the online store for each request; "
        f"those of items are in memory after their first read. {figures['note']}".rstrip(),
        "",
        latency_table(figures["rows"]),
        "",
        "The stages of a ranked request in one thread, without HTTP, policy and log:",
        "",
        grid(
            ["stage", "p50, ms", "p99, ms"],
            [[name, f"{p50:.2f}", f"{p99:.2f}"] for name, (p50, p99) in figures["stages"].items()],
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
    """Milliseconds of each stage over requests of different users."""
    opened = OpenRelease(settings, release_id)
    files = opened.ranking
    assert files is not None
    ranker = OpenRanker.open(opened, files)
    states = [PUBLISHED_ONLY.of(opened, user) for user in users[:STAGES]]
    taken: dict[str, list[float]] = {}
    found_count = []
    for state in states * 2:  # the first round fills the features of items
        at = perf_counter()
        found = find(opened, files, state, None)
        if not found:
            continue
        merged = merge(found, files.record.candidates)
        stamps = {"candidates": perf_counter() - at}
        at = perf_counter()
        request = ranker.features.of(state.user_id, merged)
        stamps["features"] = perf_counter() - at
        at = perf_counter()
        ranker.model.raw_scores(request)
        stamps["model"] = perf_counter() - at
        at = perf_counter()
        ranker.rank(opened, state, None, BY_PROBABILITY)
        stamps["all stages"] = perf_counter() - at
        found_count.append(len(merged.items_C))
        for name, seconds in stamps.items():
            taken.setdefault(name, []).append(1000 * seconds)
    half = {name: np.array(each[len(each) // 2 :]) for name, each in taken.items()}
    return {
        "stages": {
            name: [float(np.percentile(each, at)) for at in (50, 99)] for name, each in half.items()
        },
        "trees": files.record.model.trees,
        "features": len(files.record.features),
        "sources": len(files.record.sources),
        "candidates": files.record.candidates,
        "found": float(np.mean(found_count)),
    }
