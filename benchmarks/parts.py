"""Benchmarks of several parts: a file each, figures kept as JSON, one page of all of them.

A part is a module with three public things: ``TITLE``; ``measure``, which takes the settings and
gives its figures as JSON; and ``page``, which makes Markdown of them.
"""

import argparse
import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import OUT, machine
from penchant.errors import PenchantError
from penchant.settings import Settings
from penchant.storage import write_atomic, write_json


@dataclass(frozen=True)
class Benchmark:
    """``name``: of its package in ``benchmarks/``. ``parts``: in the order of the page."""

    name: str
    parts: tuple[str, ...]
    head: str
    page: Path

    def main(self, description: str) -> None:
        """Measure the parts that ``--only`` names, all without it, and write the page."""
        parser = argparse.ArgumentParser(prog=f"benchmarks.{self.name}", description=description)
        parser.add_argument("--only", nargs="+", choices=self.parts, default=list(self.parts))
        settings = Settings()
        failed = [name for name in parser.parse_args().only if not self._measured(name, settings)]
        write_atomic(self.page, self._page())
        print(f"wrote {self.page}")
        if failed:
            sys.exit(f"not measured: {', '.join(failed)}")

    def _measured(self, name: str, settings: Settings) -> bool:
        """Measure, keep and print a part; False, and why, where it lacks what it needs."""
        print(f"measuring {name}", flush=True)
        part = self._part(name)
        try:
            figures = part.measure(settings)
        except PenchantError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            return False
        print(part.page(figures), flush=True)
        write_json(self._kept(name), {"machine": machine().ours, "figures": figures})
        return True

    def _page(self) -> str:
        """Of every part that has been measured, now or before."""
        sections = [self.head]
        for name in self.parts:
            if self._kept(name).exists():
                part, record = self._part(name), json.loads(self._kept(name).read_text())
                on = f"`{name}`, measured on {record['machine']}."
                body = part.page(record["figures"]).strip()
                sections.append(f"## {part.TITLE}\n\n{on}\n\n{body}\n")
        return "\n".join(sections)

    def _kept(self, name: str) -> Path:
        return OUT / self.name / f"{name}.json"

    def _part(self, name: str) -> Any:
        return importlib.import_module(f"benchmarks.{self.name}.{name}")
