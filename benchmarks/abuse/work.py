"""What options cost beside the same request without them, and a rate beside a trivial route.

Requests take turns, so that other work on the machine slows down all of them.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.abuse.attacks import ITEMS, SCOPES
from benchmarks.rows import Row, grid, table
from benchmarks.servers import TOKENS, Server, penchant_server, settings_at
from benchmarks.serving.load import Latencies, Request, at_rate, one_by_one
from benchmarks.synthetic_encoder import Kind, write_encoder
from benchmarks.synthetic_shop import SNAPSHOT, USERS, write_shop
from penchant.api.auth.tokens import Tokens
from penchant.publishing.publish import publish
from penchant.settings import Settings

TITLE = "Costly options, and a rate"
HISTORY = 50  # purchases of each user
WARM_UP, BATCH, ROUNDS = 50, 25, 12  # requests; requests of a turn; turns
RATE, SECONDS, TURNS = 200, 5, 3  # requests/s for so long, in turn with the trivial route
RATES = (50, 100, 150, 200, 250, 300, 400)  # requests/s, until one is too many
MOST_MILLISECONDS = 25.0  # p99 at RATE on two quiet cores
MOST_TIMES = 3.0  # p99 with reasons
ENCODERS: tuple[Kind, ...] = ("ridge", "transformer")
OPTIONS = {
    "k = 10": "&k=10",
    "k = 10, reasons": "&k=10&reasons=true",
    "k = 10, reasons, diversity": "&k=10&reasons=true&diversity=0.5",
    "k = 100": "&k=100",
    "k = 100, reasons": "&k=100&reasons=true",
    "k = 100, reasons, diversity": "&k=100&reasons=true&diversity=0.5",
}
TRIVIAL = "/livez"


def measure(settings: Settings) -> dict[str, Any]:
    options, rate = {}, {}
    for kind in ENCODERS:
        with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
            home = settings_at(Path(folder) / "home")
            write_shop(home, ITEMS, bought=HISTORY)
            write_encoder(home, kind)
            publish(home, SNAPSHOT)
            _, secret = Tokens(home).make("client", SCOPES)
            with penchant_server(home.home, "/readyz") as server:
                TOKENS[server.port] = secret
                options[kind] = _options(server)
                if kind == ENCODERS[0]:
                    rate = _rate(server) | {"sustained": _sustained(server)}
    return {"options": options, **rate}


def _options(server: Server) -> dict[str, dict[str, float]]:
    """p50 and p99 in milliseconds, and the server's CPU milliseconds, of each option."""
    taken: dict[str, list[np.ndarray]] = {name: [] for name in OPTIONS}
    used = dict.fromkeys(OPTIONS, 0.0)
    for option in OPTIONS.values():
        one_by_one(server.port, _requests(option, WARM_UP))
    for turn in range(ROUNDS):
        for name, option in OPTIONS.items():
            before = server.cpu_seconds()
            found = one_by_one(server.port, _requests(option, BATCH, turn * BATCH))
            used[name] += server.cpu_seconds() - before
            assert not found.failed, name
            taken[name].append(found.milliseconds)
    return {
        name: {
            "p50": float(np.percentile(np.concatenate(taken[name]), 50)),
            "p99": float(np.percentile(np.concatenate(taken[name]), 99)),
            "cpu": 1000 * used[name] / (ROUNDS * BATCH),
        }
        for name in OPTIONS
    }


def _rate(server: Server) -> dict[str, Any]:
    """p99 at a rate of a trivial route and of recommendations, in turn."""
    recommended, trivial = list[Latencies](), list[Latencies]()
    for _ in range(TURNS):
        trivial.append(at_rate(server.port, [Request(TRIVIAL)] * (RATE * SECONDS), RATE))
        recommended.append(at_rate(server.port, _requests("", RATE * SECONDS), RATE))
    return {
        "rate": {"recommendations": _p99(recommended), TRIVIAL: _p99(trivial)},
        "failed": sum(each.failed for each in recommended + trivial),
    }


def _sustained(server: Server) -> int:
    """The greatest of RATES up to which the p99 stays within its target; 0 for none."""
    sustained = 0
    for rate in RATES:
        found = at_rate(server.port, _requests("", rate * SECONDS), rate)
        if found.failed or _p99([found]) > MOST_MILLISECONDS:
            break
        sustained = rate
    return sustained


def _p99(found: list[Latencies]) -> float:
    return float(np.percentile(np.concatenate([each.milliseconds for each in found]), 99))


def _requests(option: str, count: int, first: int = 0) -> list[Request]:
    return [
        Request(f"/v1/recommendations?user_id=u{(first + at) % USERS:04}{option}")
        for at in range(count)
    ]


def page(figures: dict[str, Any]) -> str:
    lines = []
    for kind, options in figures["options"].items():
        for name, found in options.items():
            plain = options[name.partition(",")[0]]
            times = found["p99"] / plain["p99"]
            missed = ", missed" if "reasons" in name and times > MOST_TIMES else ""
            numbers = [f"{found[each]:.2f}" for each in ("p50", "p99", "cpu")]
            cpu_times = found["cpu"] / plain["cpu"]
            lines.append([kind, name, *numbers, f"{times:.1f}{missed}", f"{cpu_times:.1f}"])
    head = ["encoder", "request", "p50, ms", "p99, ms", "CPU, ms", "p99, times", "CPU, times"]
    ours, trivial = figures["rate"]["recommendations"], figures["rate"][TRIVIAL]
    cpu = figures["options"][ENCODERS[0]]["k = 10"]["cpu"]
    rows = [
        Row(
            f"p99 of {RATE} recommendations/s",
            ours,
            "ms",
            peer=trivial,
            peer_name=TRIVIAL,
            target=f"<= {MOST_MILLISECONDS:g}",
        ),
        Row("ratio of both", ours / trivial),
        Row(f"rate with p99 ≤ {MOST_MILLISECONDS:g} ms", figures["sustained"], "requests/s"),
        Row("failed", figures["failed"], target="<= 0"),
    ]
    return (
        f"Users have {HISTORY} purchases each. *Times* compares with the same k alone; the target "
        f"is at most {MOST_TIMES:g} times the p99. The transformer reads the history again for "
        f"each item that it leaves out; it is not trained.\n\n{grid(head, lines)}\n\n"
        f"An open loop of {RATE} requests/s, in turn with a trivial route. At {cpu:.1f} ms of CPU "
        f"each, the recommendations need {cpu * RATE / 1000:.0%} of a core; where other work "
        f"leaves the server less, they queue.\n\n"
        f"{table([row.as_dict() for row in rows])}"
    )
