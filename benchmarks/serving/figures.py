"""Figures of a part: a row each, with its aim where it has one, and the table of them."""

from typing import Any

from benchmarks.serving.open_loop import Latencies

PERCENTILES = (50, 95, 99)


def timed(what: str, found: Latencies, **aims: float) -> dict[str, Any]:
    """``aims``: of a percentile, milliseconds at most, such as ``p99=25``."""
    return {
        "what": what,
        "milliseconds": {f"p{at}": found.percentile(at) for at in PERCENTILES},
        "rate": found.rate,
        "requests": len(found.milliseconds),
        "failed": found.failed,
        "aims": aims,
    }


def latency_table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown lines."""
    names = [f"p{at}" for at in PERCENTILES]
    lines = [f"| what | a second | {' | '.join(f'{name}, ms' for name in names)} | failed | aim |"]
    lines.append(f"|{'---|' * (len(names) + 4)}")
    for row in rows:
        found = row["milliseconds"]
        aims = [
            f"{name} ≤ {most:g} ms{'' if found[name] <= most and not row['failed'] else ', missed'}"
            for name, most in row["aims"].items()
        ]
        numbers = " | ".join(f"{found[name]:.2f}" for name in names)
        ending = f"{row['failed']} of {row['requests']:,} | {'; '.join(aims)} |"
        lines.append(f"| {row['what']} | {row['rate']:.0f} | {numbers} | {ending}")
    return lines


def bounded(what: str, value: float, unit: str, most: float) -> str:
    """A sentence of one figure and its aim."""
    return (
        f"{what}: {value:.3g} {unit} (aim: at most {most:g}{'' if value <= most else ', missed'})."
    )
