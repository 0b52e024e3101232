"""What every stage costs as the data grows: seconds, CPU and peak memory of shops of any size.

``--keep FOLDER`` keeps the homes there: a later call runs only what it has not measured, such as a
stage that failed or one more family.
"""

import json
import math
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.growth_data import write_shop
from benchmarks.stages import run_stage
from penchant.settings import Settings

TITLE = "Growth"
USER = "u0"  # the most active one
STAGES = "stages.json"  # what was measured in a kept folder
SLOPE = 1.1  # of log seconds over log events, at most
NOTES = f"""\
Users (a 50th of the events) and items (a 200th) grow with the events. Above 50,000 users runs are
cut ([ADR 43](../adr/0043-a-large-shop-cuts-by-recency.md)): 100,000 users get lists, and of more
than 20,000 users in a window a sample is evaluated. A slope above {SLOPE} is missed. `publish` is
that of a first release: none was live. 50 million events weren't run: at its slope `build` alone
would take more than two CPU hours on this machine."""


def measure(
    settings: Settings,
    *,
    events: tuple[int, ...] = (1_500_000, 10_000_000),
    memory_mb: int = 3000,
    families: tuple[str, ...] = ("popularity", "item_cf", "matrix_factorization"),
    through: str = "recommend",
    keep: str = "",
) -> dict[str, Any]:
    """Run the chain on each shop, up to the stage ``through``; a failed stage ends it."""
    shops = {}
    for count in events:
        if keep:
            folder = Path(keep).resolve() / str(count)
            shops[str(count)] = _chain(folder, count, memory_mb, families, through)
            continue
        with tempfile.TemporaryDirectory(prefix="penchant-growth-") as new:
            shops[str(count)] = _chain(Path(new), count, memory_mb, families, through)
    return {"memory_mb": memory_mb, "threads": settings.threads, "shops": shops}


def page(figures: dict[str, Any]) -> str:
    shops = dict(sorted(figures["shops"].items(), key=lambda shop: int(shop[0])))
    names = list(dict.fromkeys(stage["name"] for stages in shops.values() for stage in stages))
    lines = [
        f"`PENCHANT_DUCKDB_MEMORY_MB={figures['memory_mb']}`, {figures['threads']} threads.",
        "Seconds / CPU seconds / peak MB.",
        "",
        f"| stage | {' | '.join(f'{int(count):,} events' for count in shops)} | slope of CPU |",
        f"|---|{'---|' * len(shops)}---|",
    ]
    for name in names:
        cells = [_cell(stages, name) for stages in shops.values()]
        lines.append(f"| {name} | {' | '.join(cells)} | {_slope(shops, name)} |")
    missed = [
        f"- missed: {int(count):,} events, {stage['name']}: {stage['failed']}"
        for count, stages in shops.items()
        for stage in stages
        if stage["failed"]
    ]
    return "\n".join([*lines, "", *missed, "", NOTES]) + "\n"


def _chain(
    folder: Path, events: int, memory_mb: int, families: tuple[str, ...], through: str
) -> list[dict[str, Any]]:
    if not (folder / "shop").exists():
        write_shop(folder / "shop", events)
    environment = {
        **os.environ,
        "PENCHANT_HOME": str(folder / "home"),
        "PENCHANT_SOURCE": "files",
        "PENCHANT_MAPPING": str(folder / "shop" / "mapping.yml"),
        "PENCHANT_DUCKDB_MEMORY_MB": str(memory_mb),
    }
    measured = _read_stages(folder / STAGES)
    snapshot: list[str] = []
    for command in (
        ["ingest"],
        ["build"],
        ["check"],
        ["materialize"],
        ["training-sets"],
        *(["train", "--no-track", "--family", family] for family in families),
        ["select-models"],
        ["publish"],
        ["recommend", "--user", USER],
    ):
        name = f"train {command[-1]}" if command[0] == "train" else command[0]
        if name not in measured or measured[name]["failed"]:
            of_snapshot = [] if command[0] == "recommend" else snapshot
            stage, result = run_stage([*command, *of_snapshot], environment)
            measured[name] = asdict(stage) | {"name": name, "snapshot": result.get("snapshot_id")}
            (folder / STAGES).write_text(json.dumps(list(measured.values()), indent=1))
            print(f"{events:,} events: {measured[name]}", flush=True)
        if measured[name]["failed"] and command[0] != "train":
            break
        if command[0] == "build":
            snapshot = ["--snapshot", measured[name]["snapshot"]]
        if command[0] == through:
            break
    return list(measured.values())


def _read_stages(path: Path) -> dict[str, dict[str, Any]]:
    """What an earlier call measured in a kept folder, by the stage's name."""
    return {each["name"]: each for each in json.loads(path.read_text())} if path.exists() else {}


def _cell(stages: list[dict[str, Any]], name: str) -> str:
    found = next((stage for stage in stages if stage["name"] == name), None)
    if found is None:
        return "not reached"
    figures = f"{found['seconds']:,.0f} / {found['cpu_seconds']:,.0f} / {found['peak_mb']:,.0f}"
    return f"failed: {figures}" if found["failed"] else figures


def _slope(shops: dict[str, list[dict[str, Any]]], name: str) -> str:
    """Of log CPU seconds over log events, between the smallest and the largest shop."""
    points = [
        (math.log(int(count)), math.log(stage["cpu_seconds"]))
        for count, stages in shops.items()
        for stage in stages
        if stage["name"] == name and not stage["failed"] and stage["cpu_seconds"] > 0
    ]
    if len(points) < 2:
        return "-"
    (x0, y0), (x1, y1) = points[0], points[-1]
    slope = (y1 - y0) / (x1 - x0)
    return f"{slope:.2f}{' (missed)' if slope > SLOPE else ''}"
