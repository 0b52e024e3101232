"""Reads during publishes, rollbacks, kills and stops: none may fail, be empty or mix releases.

The synthetic shop's two snapshots differ in every score and title, so each response shows which of
them it came from. Readers are processes of their own.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, table
from benchmarks.synthetic_shop import snapshot_id, write_shop
from penchant.artifacts import ModelSelection
from penchant.publishing.publish import KEPT, publish
from penchant.releases.fencing import Overtaken
from penchant.releases.release import Release, release_id
from penchant.releases.rollback import rollback
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

TITLE = "Releases under load"
ITEMS, USERS = 1000, 30
READERS = 2
READS_A_COUNT = 20  # reads between two updates of the shared count
PAUSE = 0.005  # seconds between those, where publishers are measured
SELECTIONS = 2000  # more than there are publishes
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["penchant.publishing.publish", "penchant.serving.service"])


def measure(
    settings: Settings, *, reads: int = 100_000, flips: int = 100, kills: int = 200, stops: int = 50
) -> dict[str, Any]:
    """``flips``: publishes and rollbacks; ``kills``, ``stops``: of publishers."""
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        shop = PublishedShop(Settings(_env_file=None, home=Path(folder) / "home", threads=1))
        measured = {
            "flips": publish_and_roll_back(shop, reads, flips),
            "kills": kill_publishers(shop, kills, chance),
            "stops": stop_publishers(shop, stops, chance),
        }
    return {
        "rows": [
            replace(row, what=f"{name}: {row.what}").as_dict()
            for name, rows in measured.items()
            for row in rows
        ]
    }


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])


class PublishedShop:
    """A shop of two snapshots; each publish has a new selection id, so it builds a new release."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._selections = 0
        for number in (1, 2):
            write_shop(settings, ITEMS, USERS, number)
        for number in (1, 2):
            self.publish(number)

    @property
    def live(self) -> str:
        live = self.settings.live_release.current()
        assert live
        return live

    @property
    def other(self) -> int:
        """The number of the snapshot that is not live, so that a flip changes every response."""
        return 3 - int(Release.open(self.settings, self.live).snapshot_id[-1])

    def select(self, number: int) -> str:
        """Write a new selection; return the id that its release will have."""
        self._selections += 1
        selection_id = f"{self._selections:012x}"
        selection = ModelSelection.of(self.settings, snapshot_id(number))
        changed = selection.model_copy(update={"selection_id": selection_id})
        changed.write(ModelSelection.path(self.settings, snapshot_id(number)))
        return release_id(snapshot_id(number), selection_id)

    def publish(self, number: int) -> None:
        selected = self.select(number)
        publish(self.settings, snapshot_id(number))
        assert self.live == selected

    def content(self) -> str:
        """The live release's hash over all rows."""
        return Release.open(self.settings, self.live).manifest.content_hash

    def leftovers(self) -> int:
        """Directories beyond the releases kept: there should be none."""
        return sum(path.is_dir() for path in self.settings.releases.iterdir()) - KEPT


# --- readers


def read_until(stop: Any, home: Path, pause: float, total: Any, results: Any) -> None:
    """Read in a process of its own until stopped or until the parent ends; put counts of faults."""
    service = RecommendationService(Settings(_env_file=None, home=home, threads=1))
    numbers = {
        release_id(snapshot_id(number), f"{selection:012x}"): number
        for number in (1, 2)
        for selection in range(SELECTIONS)
    }
    counts: Counter[str] = Counter()
    seen, longest = set(), 0.0
    parent = multiprocessing.parent_process()
    while not stop.is_set() and parent and parent.is_alive():
        for _ in range(READS_A_COUNT):
            read = counts["reads"]
            call, key = (
                (service.recommend, f"u{read % USERS:04}"),
                (service.recommend, "unknown"),
                (service.similar, f"i{read % ITEMS:07}"),
            )[read % 3]
            started = time.perf_counter()
            try:
                response = call(key)
            except Exception as error:  # noqa: BLE001 -- every failed read is counted
                counts["failed"] += 1
                print(f"failed: {error!r}", file=sys.stderr)
            else:
                longest = max(longest, time.perf_counter() - started)
                seen.add(response.release_id)
                counts[fault(response, numbers[response.release_id])] += 1
            counts["reads"] += 1
        with total.get_lock():
            total.value += READS_A_COUNT
        time.sleep(pause)
    results.put((dict(counts), seen, longest))


def fault(response: Any, number: int) -> str:
    """Whether a response is ``correct``, ``empty``, or ``mixed``: not all of its own release."""
    if not response.items:
        return "empty"
    scored = not response.origin.startswith("similar")
    whole = response.snapshot_id == snapshot_id(number) and all(
        item.title.endswith(f" OF {number}") and (not scored or number <= item.score <= number + 1)
        for item in response.items
    )
    return "correct" if whole else "mixed"


class Readers:
    """``counts``: reads, and those that were mixed, empty or failed; set after the end.
    ``longest``: seconds of the slowest read. ``seen``: releases that responses came from."""

    counts: Counter[str]
    longest: float
    seen: set[str]

    def __init__(self, total: Any) -> None:
        self._total = total

    def wait_for(self, reads: int) -> None:
        while self._total.value < reads:
            time.sleep(0.001)

    def rows(self) -> list[Row]:
        return [
            Row("reads", self.counts["reads"]),
            *(
                Row(f"{kind} reads", self.counts[kind], target="<= 0")
                for kind in ("mixed", "empty", "failed")
            ),
            Row("releases read", len(self.seen)),
            Row("slowest read", 1000 * self.longest, "ms"),
        ]


@contextmanager
def reading(settings: Settings, pause: float = 0) -> Iterator[Readers]:
    """Read in other processes during the block; their counts are set after it."""
    total, stop, results = FORKS.Value("q", 0), FORKS.Event(), FORKS.Queue()
    arguments = (stop, settings.home, pause, total, results)
    processes = [FORKS.Process(target=read_until, args=arguments) for _ in range(READERS)]
    for process in processes:
        process.start()
    readers = Readers(total)
    readers.wait_for(READERS * READS_A_COUNT)
    try:
        yield readers
    finally:
        stop.set()
        found = [results.get(timeout=60) for _ in processes]
        for process in processes:
            process.join(60)
    readers.counts = sum((Counter(counts) for counts, _, _ in found), Counter())
    readers.seen = set().union(*(seen for _, seen, _ in found))
    readers.longest = max(longest for _, _, longest in found)


# --- writers


def publish_and_roll_back(shop: PublishedShop, reads: int, flips: int) -> list[Row]:
    """Publish a new release and roll back, in turn, at even distances of reads."""
    seconds: dict[str, list[float]] = {"publish": [], "rollback": []}
    with reading(shop.settings) as readers:
        for flip in range(flips):
            readers.wait_for(reads * flip // flips)
            before, number, started = shop.live, shop.other, time.perf_counter()
            if flip % 2:
                rollback(shop.settings)
            else:
                shop.publish(number)
            seconds["rollback" if flip % 2 else "publish"].append(time.perf_counter() - started)
            assert shop.live != before
        readers.wait_for(reads)
    return [
        Row("publishes and rollbacks, in turn", flips),
        *readers.rows(),
        Row("publish, median", statistics.median(seconds["publish"]), "s"),
        Row("rollback, slowest", max(seconds["rollback"]), "s", "<= 1"),
        Row("directories left over", shop.leftovers(), target="<= 0"),
    ]


def publish_in_process(home: Path, identity: str, started: Any) -> None:
    settings = Settings(_env_file=None, home=home, threads=1)
    started.set()
    try:
        publish(settings, identity)
    except Overtaken as error:
        sys.exit(error.exit_code)


def publisher(shop: PublishedShop, number: int) -> Any:
    """A process that starts to publish."""
    started = FORKS.Event()
    arguments = (shop.settings.home, snapshot_id(number), started)
    process = FORKS.Process(target=publish_in_process, args=arguments)
    process.start()
    started.wait(60)
    return process


def publish_seconds(shop: PublishedShop) -> float:
    """Median seconds of a publish in a process of its own."""
    taken = []
    for _ in range(5):
        shop.select(number := shop.other)
        process, started = publisher(shop, number), time.perf_counter()
        process.join()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def kill_publishers(shop: PublishedShop, kills: int, chance: random.Random) -> list[Row]:
    """Kill publishers at random; after each the next run must complete, with the same content."""
    wanted = {}
    for _ in range(2):
        number = shop.other
        shop.publish(number)
        wanted[number] = shop.content()
    counts: Counter[str] = Counter()
    with reading(shop.settings, PAUSE) as readers:
        span = publish_seconds(shop)
        while counts["killed"] < kills:
            number, before = shop.other, shop.live
            selected = shop.select(number)
            process = publisher(shop, number)
            process.join(chance.uniform(0, span))
            with contextlib.suppress(ProcessLookupError):  # it may have ended already
                os.kill(process.pid, signal.SIGKILL)
            process.join()
            if process.exitcode != -signal.SIGKILL:
                continue
            counts["killed"] += 1
            counts["after the flip"] += shop.live == selected
            counts["unknown pointer"] += shop.live not in (before, selected)
            counts["with files left"] += shop.leftovers() > 0
            publish(shop.settings, snapshot_id(number))
            whole = shop.live == selected and shop.content() == wanted[number]
            counts["completed"] += whole and shop.leftovers() <= 0
    target = f">= {kills}"
    return [
        Row("publishers killed by SIGKILL at random", counts["killed"], target=target),
        Row("killed midway, files left behind", counts["with files left"]),
        Row("killed between the flip and the end", counts["after the flip"]),
        Row("next runs that completed with the same content", counts["completed"], target=target),
        Row("pointers to neither old nor new", counts["unknown pointer"], target="<= 0"),
        *readers.rows(),
    ]


def stop_publishers(shop: PublishedShop, times: int, chance: random.Random) -> list[Row]:
    """Stop publishers at random, publish something else, continue them: they must change nothing.

    The later publisher waits for one that was stopped while it held the lock.
    """
    counts: Counter[str] = Counter()
    with reading(shop.settings, PAUSE) as readers:
        span = publish_seconds(shop)
        while counts["stopped"] < times:
            number = shop.other
            older = shop.select(number)
            process = publisher(shop, number)
            process.join(chance.uniform(0, span))
            if process.exitcode is not None:
                continue
            os.kill(process.pid, signal.SIGSTOP)
            live = shop.live
            newer = shop.select(3 - number)
            later = publisher(shop, 3 - number)
            later.join(20 * span)
            waited = later.exitcode is None
            if process.exitcode is None:  # it was not ending when it was stopped
                os.kill(process.pid, signal.SIGCONT)
            later.join()
            process.join()
            if live == older:  # it had flipped already: nothing could be undone
                continue
            counts["stopped"] += 1
            counts["waited for"] += waited
            counts["rejected"] += process.exitcode == Overtaken.exit_code
            counts["undone"] += shop.live != newer
    return [
        Row("publishers stopped by SIGSTOP while a later one ran", counts["stopped"]),
        Row("stopped while holding the lock, so the later one waited", counts["waited for"]),
        Row("rejected as overtaken", counts["rejected"]),
        Row("later runs that were undone", counts["undone"], target="<= 0"),
        *readers.rows(),
    ]
