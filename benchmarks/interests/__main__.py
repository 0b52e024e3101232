"""Interests, responses, made-up behaviour, fusion, transfer, words, tags, portraits, compression.

Run by ``make bench-interests``; ``ARGS="--only PART ..."`` measures a part, ``ARGS=--only`` none.
What each part measured is kept in benchmarks/out/interests/PART.json until it is measured again,
and docs/interests.md is written of all that is there. A part that lacks what it needs says so, and
the others go on.

A part is a file of this folder with three public things: ``TITLE``; ``measure``, which takes the
settings and gives its figures as JSON; and ``page``, which makes Markdown of them.
"""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.rows import OUT, machine
from penchant.errors import PenchantError
from penchant.settings import Settings
from penchant.storage import write_atomic, write_json

HERE = Path(__file__).resolve().parent
FIGURES = OUT / "interests"
PAGE = HERE.parent.parent / "docs" / "interests.md"
ORDER = (
    "classification",
    "responses",
    "generation",
    "fusion",
    "transfer",
    "transfer_elsewhere",
    "encoders",
    "tags",
    "portraits",
    "compression",
)
"""Of the page."""
PARTS = tuple(name for name in ORDER if (HERE / f"{name}.py").exists())
HEAD = """# Interests, responses and what else a model of users is good for

Written by `make bench-interests`. Every fit is a process of its own with one thread, so that its
seconds and its peak memory are its own. In brackets, the 95 % bootstrap interval.
"""


def main() -> None:
    arguments = _arguments()
    settings = Settings().model_copy(update={"published_data": arguments.data})
    failed = [name for name in arguments.only if not measured(name, settings)]
    write_atomic(PAGE, page())
    print(f"wrote {PAGE}")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


def measured(name: str, settings: Settings) -> bool:
    """Measure a part and keep its figures; False, and why, where it lacks what it needs."""
    print(f"measuring {name}", flush=True)
    try:
        figures = _part(name).measure(settings)
    except PenchantError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return False
    load = os.getloadavg()[2]  # of the last quarter of an hour
    record = {"machine": machine().ours, "load": load, "cores": os.cpu_count(), "figures": figures}
    write_json(FIGURES / f"{name}.json", record)
    return True


def page() -> str:
    """docs/interests.md, of every part that has been measured, now or before."""
    sections = [HEAD]
    for name in PARTS:
        kept = FIGURES / f"{name}.json"
        if kept.exists():
            part, record = _part(name), json.loads(kept.read_text())
            on = f"`{name}`, measured on {record['machine']}.{_shared(record)}"
            sections.append(f"## {part.TITLE}\n\n{on}\n\n{part.page(record['figures']).strip()}\n")
    return "\n".join(sections)


def _shared(record: dict[str, Any]) -> str:
    """What to know of seconds that were taken beside other work. Older records don't say."""
    if record.get("load", 0.0) <= record.get("cores", 1):
        return ""
    return (
        f" Other work shared the {record['cores']} cores (a load of {record['load']:.0f}): seconds "
        "are upper bounds, and what was timed close together is comparable."
    )


def _part(name: str) -> Any:
    return importlib.import_module(f"benchmarks.interests.{name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.interests", description=__doc__)
    parser.add_argument("--only", nargs="*", metavar="PART", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data", type=Path, default=Settings().published_data)
    return parser.parse_args()


if __name__ == "__main__":
    main()
