"""Run a benchmark, keep a summary of its figures and write its page.

``make bench-NAME ARGS="--only PART ... --OPTION VALUE"``. A benchmark is a file with ``TITLE``,
``measure(settings, **options) -> figures`` (JSON) and ``page(figures) -> Markdown``; options of the
command line are keyword arguments of ``measure``. Benchmarks that share a page are its parts; the
last figures of each part are kept in ``benchmarks/out/``, so one part can be measured alone.
"""

import argparse
import importlib
import inspect
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.rows import summary_json
from penchant.errors import PenchantError
from penchant.settings import Settings
from penchant.storage import write_atomic

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "out"
TEST_HELPERS = ROOT / "tests"


@dataclass(frozen=True)
class Page:
    """A page of ``docs/results/`` and the modules of ``benchmarks/`` that fill it, in order."""

    file: str
    parts: tuple[str, ...]
    introduction: str


PAGES = {
    "abuse": Page(
        "abuse.md",
        ("abuse.attacks", "abuse.costs", "abuse.work", "abuse.damage"),
        """# Abuse

Server, attacker and client share one machine. What is defended and what is not is in the
[threat model](../threat-model.md).
""",
    ),
    "ads": Page("ads.md", ("ads",), "# Ad pacing"),
    "baskets": Page("baskets.md", ("baskets",), "# Next basket"),
    "days": Page("days.md", ("days", "year"), "# The cost of a day"),
    "encryption": Page("encryption.md", ("encryption",), "# Encryption at rest"),
    "erasure": Page("erasure.md", ("erasure", "unlearning"), "# Erasure"),
    "event-types": Page("event-types.md", ("event_types",), "# Every event type"),
    "federated": Page("federated.md", ("federated", "federated_costs"), "# Federated training"),
    "first-run": Page("first-run.md", ("first_run.starts", "first_run.demos"), "# The first run"),
    "freshness": Page("freshness.md", ("freshness",), "# Freshness"),
    "growth": Page("growth.md", ("growth",), "# Growth: 1.5 and 10 million events"),
    "insights": Page(
        "insights.md",
        (
            "insights.demand",
            "insights.retention",
            "insights.search",
            "insights.search_http",
            "insights.audience",
            "insights.campaigns",
            "insights.voice",
            "insights.competitors",
            "insights.vectors",
        ),
        """# Insights

Each use of interests against what a shop would use today, on data that nothing was selected on.
Brackets hold the 95 % bootstrap confidence interval.
""",
    ),
    "identities": Page("identities.md", ("identities",), "# Identities across channels"),
    "onboarding": Page("onboarding.md", ("onboarding",), "# Onboarding a shop"),
    "quality": Page("quality.md", ("quality",), "# Ranking quality on published tables"),
    "privacy": Page("privacy.md", ("privacy",), "# Differential privacy"),
    "repeat-path": Page("repeat-path.md", ("repeat_path",), "# The repeat path"),
    "ranking": Page("ranking.md", ("ranking", "ranking_ceiling"), "# The ranking stage"),
    "releases": Page("releases.md", ("releases",), "# Releases under load"),
    "stores": Page("stores.md", ("stores",), "# Feature and vector stores"),
    "training": Page("training-speed.md", ("training",), "# Training speed"),
    "warm": Page("warm-starts.md", ("warm",), "# Warm starts"),
    "interests": Page(
        "interests.md",
        (
            "interests.classification",
            "interests.responses",
            "interests.generation",
            "interests.fusion",
            "interests.transfer",
            "interests.transfer_elsewhere",
            "interests.encoders",
            "interests.tags",
            "interests.portraits",
            "interests.compression",
        ),
        """# Interests, responses, synthetic histories, fusion, transfer, tags

Every fit runs in a process of its own with one thread. Brackets hold the 95 % bootstrap confidence
interval.
""",
    ),
    "policy": Page(
        "policies.md",
        (
            "policy.loop",
            "policy.long_term",
            "policy.coverage",
            "policy.open_bandit",
            "policy.speed",
        ),
        """# Policies: exploration and off-policy evaluation

Policies are in `penchant/bandits/`, estimators in `training/evaluation/metrics/off_policy.py`.
""",
    ),
    "serving": Page(
        "serving-speed.md",
        (
            "serving.recommendations",
            "serving.ranking",
            "serving.features",
            "serving.search",
            "serving.scale",
        ),
        """# Serving speed

The load generator runs on the same machine as the server. *At a rate* is an open loop: a request is
sent when it is due, and its milliseconds count from then, which avoids coordinated omission.
""",
    ),
}


def main() -> None:
    name, page, parts, settings = _arguments()
    failed = [part for part, options in parts.items() if not _measure(part, settings, options)]
    path = ROOT / "docs" / "results" / page.file
    write_atomic(path, _render(name, page))
    print(f"wrote {path.relative_to(ROOT)}")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


def _arguments() -> tuple[str, Page, dict[str, dict[str, Any]], Settings]:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("name", choices=sorted(PAGES))
    known, _ = parser.parse_known_args()
    page = PAGES[known.name]
    short = {part.rpartition(".")[2]: part for part in page.parts}
    parser.add_argument("--only", nargs="*", choices=list(short), default=list(short))
    options = {part: _options(_module(part)) for part in page.parts}
    for option, default in {
        name: one for each in options.values() for name, one in each.items()
    }.items():
        flag = f"--{option.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default)
        elif isinstance(default, tuple):
            parser.add_argument(flag, nargs="+", type=type(default[0]), default=default)
        else:
            parser.add_argument(flag, type=type(default), default=default)
    given = vars(parser.parse_args())
    selected = {
        short[each]: {name: given[name] for name in options[short[each]]} for each in given["only"]
    }
    return known.name, page, selected, Settings()


def _options(module: ModuleType) -> dict[str, Any]:
    """Keyword arguments of ``measure`` beside the settings, with their defaults."""
    parameters = inspect.signature(module.measure).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


def _measure(part: str, settings: Settings, options: dict[str, Any]) -> bool:
    """Measure, print and keep one part. Return False where a requirement is missing."""
    print(f"measuring {part}", flush=True)
    module = _module(part)
    try:
        figures = module.measure(settings, **options)
    except PenchantError as error:
        print(f"{part}: {error}", file=sys.stderr, flush=True)
        return False
    print(module.page(figures), flush=True)
    write_atomic(_kept(part), summary_json({**describe_machine(), "figures": figures}))
    return True


def _render(name: str, page: Page) -> str:
    """Markdown of every part that has figures."""
    sections = [page.introduction.strip(), f"Written by `make bench-{name}`."]
    for part in page.parts:
        if _kept(part).exists():
            record, module = json.loads(_kept(part).read_text()), _module(part)
            if len(page.parts) > 1:
                sections.append(f"## {module.TITLE}")
            sections.append(_conditions(part, record))
            sections.append(module.page(record["figures"]).strip())
    return "\n\n".join(sections) + "\n"


def _conditions(part: str, record: dict[str, Any]) -> str:
    shared = record.get("load", 0.0) > record.get("cores", 1)
    note = " Other work shared the cores: seconds are upper bounds." if shared else ""
    speed = record.get("calibration_ms")
    calibration = f" Calibration loop: {speed:.0f} ms." if speed else ""
    return f"`{part.rpartition('.')[2]}`, measured on {record['machine']}.{calibration}{note}"


def _kept(part: str) -> Path:
    return OUT / f"{part.replace('.', '/')}.json"


def _module(part: str) -> ModuleType:
    if str(TEST_HELPERS) not in sys.path:  # modules in it import each other by their short names
        sys.path.append(str(TEST_HELPERS))
    return importlib.import_module(f"benchmarks.{part}")


if __name__ == "__main__":
    main()
