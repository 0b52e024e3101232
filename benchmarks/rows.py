"""The one shape of every benchmark's figures: a table for people, the same rows as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

OUT = Path(__file__).resolve().parent / "out"
WIDTH = 150  # characters that the table needs


@dataclass(frozen=True)
class Row:
    """A figure; ``ratio`` is ours over the peer's.

    ``target`` reads ``<= 480`` or ``>= 0.9``. With an x behind it, ``>= 25 x``, it is on how many
    times less than the peer's ours is. ``memory_mb``, ``peer_memory_mb``: the peak of the process.
    """

    what: str
    ours: float | str
    unit: str
    target: str | None = None
    peer: float | None = None
    peer_name: str | None = None
    memory_mb: float | None = None
    peer_memory_mb: float | None = None

    @property
    def ratio(self) -> float | None:
        if self.peer is None or isinstance(self.ours, str):
            return None
        return self.ours / self.peer

    @property
    def met(self) -> bool | None:
        """Whether the target is reached, by words never; None where there is none."""
        if self.target is None:
            return None
        if isinstance(self.ours, str):
            return False
        sign, bound, *times = self.target.split()
        value = self.times_less if times else self.ours
        assert value is not None, "a target in times needs a peer"
        return value <= float(bound) if sign == "<=" else value >= float(bound)

    @property
    def times_less(self) -> float | None:
        """How many times less than the peer's figure ours is: of seconds, how many times faster."""
        return None if self.ratio is None else 1 / self.ratio

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio, "met": self.met}


def machine() -> Row:
    """What the figures were measured on."""
    memory = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return Row("machine", f"{cores} cores, {memory:.0f} GiB, {system}", "")


def read(name: str) -> list[Row]:
    """The rows that ``report`` wrote last; none where it has not been."""
    path = OUT / f"{name}.json"
    names = [field.name for field in fields(Row)]
    records = json.loads(path.read_text()) if path.exists() else []
    return [Row(**{name: record.get(name) for name in names}) for record in records]


def report(name: str, rows: Sequence[Row]) -> Path:
    """Print the rows and write them to ``benchmarks/out/<name>.json``; returns that path."""
    table = Table(title=name, title_justify="left")
    for column in ("what", "ours", "unit", "peer", "ratio", "times", "MB", "target", "met"):
        right = column in ("ours", "peer", "ratio", "times", "MB")
        table.add_column(column, justify="right" if right else "left")
    for row in rows:
        peer = f"{row.peer:,.3g} ({row.peer_name})" if row.peer is not None else ""
        met = {True: "yes", False: "NO", None: ""}[row.met]
        ratio = f"{row.ratio:.3g}" if row.ratio is not None else ""
        times = f"{row.times_less:.3g}x" if row.times_less is not None else ""
        memory = "" if row.memory_mb is None else f"{row.memory_mb:,.0f}"
        if row.peer_memory_mb is not None:
            memory += f" ({row.peer_memory_mb:,.0f})"
        figures = (shown(row.ours), row.unit, peer, ratio, times, memory, row.target or "", met)
        table.add_row(Text(row.what), *figures)
    console = Console()
    console.width = max(console.width, WIDTH)  # where the output is a file it would be 80
    console.print(table)
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps([row.as_dict() for row in rows], indent=2) + "\n")
    return path


def shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.3f}".rstrip("0").rstrip(".")
