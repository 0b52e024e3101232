"""From a shop's files to recommendations: steps, seconds and lines of YAML.

Three made shops with other quirks each: orders of a German shop with a catalogue (semicolons,
decimal commas, Latin letters), clicks without a header (epochs, numeric ids, no sessions, no
catalogue), and JSON. The mapping is what `penchant mapping suggest` drafts, without an edit. Steps
are the commands.
"""

import json
import os
import random
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.rows import grid
from benchmarks.stages import Stage, run_stage
from penchant.errors import PenchantError
from penchant.settings import Settings

TITLE = "Onboarding"
USERS, ITEMS, EVENTS, DAYS = 300, 120, 9_000, 90
START = datetime(2024, 1, 1)
EPOCH = datetime(1970, 1, 1)
FAMILIES = ("popularity", "ease")
Event = tuple[int, int, int, datetime]


def measure(settings: Settings) -> dict[str, Any]:
    """Bring each shop online in a home of its own."""
    return {name: onboarded(name, make) for name, make in SHOPS.items()}


def page(figures: dict[str, Any]) -> str:
    """A row a shop, and the seconds of each command."""
    rows = [
        (
            name,
            shop["steps"],
            shop["yaml_lines"],
            f"{shop['seconds']:.0f}",
            f"{shop['cpu_seconds']:.0f}",
            shop["rejected_files"],
            shop["recommended"],
        )
        for name, shop in figures.items()
    ]
    head = (
        *("shop", "commands", "lines of YAML", "seconds", "CPU seconds"),
        *("files rejected", "items recommended"),
    )
    commands = next(iter(figures.values()))["stages"]
    stages = [
        (stage["name"], *(f"{shop['stages'][at]['seconds']:.1f}" for shop in figures.values()))
        for at, stage in enumerate(commands)
    ]
    return (
        f"{__doc__}\n"
        f"{USERS} users, {ITEMS} items, {EVENTS:,} events in {DAYS} days "
        "each.\n\n"
        f"{grid(head, rows)}\n\nSeconds of each command:\n\n"
        f"{grid(('command', *figures), stages)}\n"
    )


def onboarded(name: str, make: Callable[[Path, list[Event]], list[Path]]) -> dict[str, Any]:
    """Bring a shop online and ask for recommendations. Raises PenchantError where one fails."""
    with tempfile.TemporaryDirectory(prefix="penchant-onboarding-") as scratch:
        folder = Path(scratch)
        files = make(folder, _events())
        environment = {
            **os.environ,
            "PENCHANT_HOME": str(folder / "home"),
            "PENCHANT_SOURCE": "files",
            "PENCHANT_MAPPING": str(folder / "mapping.yml"),
        }
        stages: dict[str, Stage] = {}

        def run(*arguments: str) -> dict[str, Any]:
            stage, result = run_stage(arguments, environment)
            options = ("--user", "--snapshot")
            shown = [
                each
                for each, before in zip(arguments, ("", *arguments), strict=False)
                if each[0] not in "-/" and before not in options
            ]
            stages[" ".join(shown[:2])] = stage
            if stage.failed:
                command = f"penchant {' '.join(arguments)}"
                raise PenchantError(f"{name}: {command}: {stage.failed}", f"run {command} by hand")
            return result

        drafted = run("mapping", "suggest", *map(str, files))["mapping"]
        (folder / "mapping.yml").write_text(drafted)
        previewed = run("mapping", "check")["files"]
        run("ingest")
        snapshot_id = run("build")["snapshot_id"]
        snapshot = ("--snapshot", snapshot_id)
        for command in ("check", "materialize", "training-sets"):
            run(command, *snapshot)
        for family in FAMILIES:
            run("train", "--family", family, *snapshot)
        run("select-models", *snapshot)
        run("publish", *snapshot)
        answer = run("recommend", "--user", "u7" if name != "clicks without a header" else "7")
        return {
            "steps": len(stages),
            "yaml_lines": len(drafted.splitlines()),
            "seconds": round(sum(stage.seconds for stage in stages.values()), 1),
            "cpu_seconds": round(sum(stage.cpu_seconds for stage in stages.values()), 1),
            "rejected_files": sum(bool(file["reasons"]) for file in previewed),
            "recommended": len(answer["items"]),
            "stages": [
                {"name": shown, "seconds": stage.seconds, "cpu_seconds": stage.cpu_seconds}
                for shown, stage in stages.items()
            ],
        }


def _events() -> list[Event]:
    """(user, item, order, time): users return to a few items, and popular ones are bought more."""
    generator = random.Random(7)
    favourites = [[generator.randrange(ITEMS) for _ in range(6)] for _ in range(USERS)]
    found = []
    for number in range(EVENTS):
        user = generator.randrange(USERS)
        popular = min(int(generator.paretovariate(1.2)) - 1, ITEMS - 1)
        item = generator.choice(favourites[user]) if generator.random() < 0.7 else popular
        at = START + timedelta(seconds=generator.randrange(DAYS * 86_400))
        found.append((user, item, number, at))
    return sorted(found, key=lambda event: event[3])


def _german_orders(folder: Path, events: list[Event]) -> list[Path]:
    orders, catalogue = folder / "bestellungen.csv", folder / "artikel.tsv"
    lines = ["Bestellung;Kunde;SKU;Menge;Umsatz;Datum"]
    lines += [
        f"b{order};u{user};a{item};{1 + order % 3};1.{100 + item},50;{at:%d.%m.%Y %H:%M}"
        for user, item, order, at in events
    ]
    orders.write_text("\n".join(lines) + "\n", encoding="cp1252")
    names = [
        f"a{item}\tBrötchen Nr. {item}\t{item % 9 + 1}.5\tGruppe {item % 6}"
        for item in range(ITEMS)
    ]
    catalogue.write_text("SKU\tBezeichnung\tPreis\tGruppe\n" + "\n".join(names) + "\n", "cp1252")
    return [orders, catalogue]


def _clicks(folder: Path, events: list[Event]) -> list[Path]:
    clicks = folder / "UserBehavior.csv"
    kinds = ("pv", "pv", "cart", "buy")
    lines = [
        f"{user},{item + 1000},{item % 6},{kinds[order % 4]},{(at - EPOCH) // timedelta(seconds=1)}"
        for user, item, order, at in events
    ]
    clicks.write_text("\n".join(lines) + "\n")
    return [clicks]


def _json_events(folder: Path, events: list[Event]) -> list[Path]:
    log = folder / "events.ndjson"
    lines = [
        json.dumps(
            {
                "eventId": f"e{order}",
                "visitorId": f"u{user}",
                "sessionId": f"s{order}",
                "event": ("view", "addtocart", "transaction")[order % 3],
                "itemId": f"p{item}",
                "timestamp": f"{at.isoformat()}Z",
            }
        )
        for user, item, order, at in events
    ]
    log.write_text("\n".join(lines) + "\n")
    products = folder / "products.json"
    described = [
        {"itemId": f"p{item}", "name": f"Product {item}", "category": f"c{item % 6}", "price": 9.5}
        for item in range(ITEMS)
    ]
    products.write_text(json.dumps(described))
    return [log, products]


SHOPS: dict[str, Callable[[Path, list[Event]], list[Path]]] = {
    "orders and a catalogue": _german_orders,
    "clicks without a header": _clicks,
    "events and products in JSON": _json_events,
}
