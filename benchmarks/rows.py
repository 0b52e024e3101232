"""The one shape of every benchmark's figures: a table for people, the same rows as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

OUT = Path(__file__).resolve().parent / "out"


@dataclass(frozen=True)
class Row:
    """A figure. ``target`` reads ``<= 480`` or ``>= 0.9``; ``ratio`` is ours over the peer's."""

    what: str
    ours: float | str
    unit: str
    target: str | None = None
    peer: float | None = None
    peer_name: str | None = None

    @property
    def ratio(self) -> float | None:
        if self.peer is None or isinstance(self.ours, str):
            return None
        return self.ours / self.peer

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None or isinstance(self.ours, str):
            return None
        sign, bound = self.target.split()
        return self.ours <= float(bound) if sign == "<=" else self.ours >= float(bound)

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio, "met": self.met}


def machine() -> Row:
    """What the figures were measured on."""
    memory = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return Row("machine", f"{cores} cores, {memory:.0f} GiB, {system}", "")


def report(name: str, rows: Sequence[Row]) -> Path:
    """Print the rows and write them to ``benchmarks/out/<name>.json``; returns that path."""
    table = Table(title=name, title_justify="left")
    for column in ("what", "ours", "unit", "peer", "ratio", "target", "met"):
        table.add_column(column, justify="right" if column in ("ours", "peer", "ratio") else "left")
    for row in rows:
        peer = f"{row.peer:,.3g} ({row.peer_name})" if row.peer is not None else ""
        met = {True: "yes", False: "NO", None: ""}[row.met]
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
        table.add_row(Text(row.what), shown(row.ours), row.unit, peer, ratio, row.target or "", met)
    Console().print(table)
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps([row.as_dict() for row in rows], indent=2) + "\n")
    return path


def shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.3f}".rstrip("0").rstrip(".")
