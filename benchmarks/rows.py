"""Rows of figures: a measured value, a peer's and a target; as JSON and as Markdown tables."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

DIGITS = 6  # significant ones that a summary keeps


@dataclass(frozen=True)
class Row:
    """One figure; ``ratio`` is ours over the peer's.

    ``target`` is ``<= 480`` or ``>= 0.9`` on our figure, or with an x, ``>= 25 x``, on how many
    times smaller than the peer's our figure is. Memory is the peak of the process, in MB.
    """

    what: str
    ours: float | str
    unit: str = ""
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
    def times_less(self) -> float | None:
        """How many times smaller than the peer's figure ours is."""
        return None if self.ratio is None else 1 / self.ratio

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; False for a text, None without a target."""
        if self.target is None:
            return None
        if isinstance(self.ours, str):
            return False
        sign, bound, *times = self.target.split()
        value = self.times_less if times else self.ours
        assert value is not None, "a target in times needs a peer"
        return value <= float(bound) if sign == "<=" else value >= float(bound)

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Row":
        return cls(**{one.name: record[one.name] for one in fields(cls) if one.name in record})


def table(records: Sequence[dict[str, Any]], digits: int = 4) -> str:
    """A Markdown table of rows as ``Row.as_dict`` gives them, without empty columns."""
    rows = [Row.from_dict(record) for record in records]
    columns = {
        "what": [row.what for row in rows],
        "measured": [f"{shown(row.ours, digits)} {row.unit}".strip() for row in rows],
        "peer": [row.peer_name or "" for row in rows],
        "peer's": [shown(row.peer, digits) for row in rows],
        "times": [shown(row.times_less, 3) for row in rows],
        "target": [f"{row.target or ''}{', missed' if row.met is False else ''}" for row in rows],
        "MB": [shown(row.memory_mb) for row in rows],
        "peer's MB": [shown(row.peer_memory_mb) for row in rows],
    }
    kept = {name: cells for name, cells in columns.items() if any(cells)}
    return grid(kept, zip(*kept.values(), strict=True))


def grid(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table of cells."""
    head = list(head)
    lines = [head, *rows]
    texts = [f"| {' | '.join(map(str, cells))} |" for cells in lines]
    return "\n".join([texts[0], f"|{'---|' * len(head)}", *texts[1:]])


def interval(figure: Mapping[str, float], digits: int = 4, sign: str = "", kind: str = "f") -> str:
    """``mean [low, high]`` of a figure with its interval; ``kind`` ``%`` for shares."""
    mean, low, high = (f"{figure[name]:{sign},.{digits}{kind}}" for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def shown(value: float | str | None, digits: int = 4) -> str:
    """A number with so many significant digits and no exponent; a text as it is."""
    if value is None or isinstance(value, str):
        return value or ""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def summary_json(value: Any, depth: int = 3) -> str:
    """JSON with sorted keys and rounded numbers: indented to ``depth``, then in a line."""

    def render(node: Any, level: int) -> str:
        flat = json.dumps(node, sort_keys=True, default=str)
        if level >= depth or not isinstance(node, dict | list) or len(flat) <= 100:
            return flat
        indent = " " * (level + 1)
        if isinstance(node, dict):
            parts = [f"{json.dumps(key)}: {render(node[key], level + 1)}" for key in sorted(node)]
            return "{\n" + ",\n".join(indent + part for part in parts) + "\n" + indent[1:] + "}"
        parts = [render(each, level + 1) for each in node]
        return "[\n" + ",\n".join(indent + part for part in parts) + "\n" + indent[1:] + "]"

    return render(_rounded(value), 0) + "\n"


def _rounded(node: Any) -> Any:
    if isinstance(node, float):
        return float(f"{node:.{DIGITS}g}")
    if isinstance(node, dict):
        return {str(key): _rounded(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_rounded(value) for value in node]
    return node
