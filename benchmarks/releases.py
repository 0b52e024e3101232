"""Whether readers ever notice that releases are published, rolled back, killed or held up.

The shop is that of the tests: its two snapshots differ in every score and title, so an
answer tells which of them it is from. Readers are processes of their own.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, table
from penchant.artifacts import ModelSelection
from penchant.publishing.publish import KEPT, publish
from penchant.releases.fencing import Overtaken
from penchant.releases.release import Release, release_id
from penchant.releases.rollback import rollback
from penchant.serving.service import RecommendationService
from penchant.settings import Settings
from tests.serving.test_service import what_is_wrong
from tests.small_shop import Shop, snapshot_id

TITLE = "Releases under load"
READERS = 2
READS_A_COUNT = 20  # reads between two looks at what the others do
PAUSE = 0.005  # seconds between those, where it is publishers that are watched
SELECTIONS = 2000  # more than there are publishes
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["penchant.publishing.publish", "penchant.serving.service"])


class Told:
    """Whether to come to an end: at SIGTERM what was counted so far is reported, as too little."""

    def __init__(self) -> None:
        self.to_stop = False
        signal.signal(signal.SIGTERM, self)

    def __call__(self, *_: object) -> None:
        self.to_stop = True


def measure(
    settings: Settings,
    *,
    reads: int = 100_000,
    flips: int = 100,
    kills: int = 200,
    held_up: int = 50,
    seed: int = 0,
) -> dict[str, Any]:
    """``seed``: of the moments at which publishers are killed or stopped."""
    told, chance = Told(), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        shop = Published(Settings(_env_file=None, home=Path(folder) / "home", threads=1))
        measured = {
            "flips": flip_and_roll_back(shop, reads, flips),
            "kills": kill_publishers(shop, kills, chance, told),
            "held up": hold_up_publishers(shop, held_up, chance, told),
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


class Published:
    """A shop of two snapshots, ready; each publish is of another choice, and so is built anew."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        shop = Shop(settings)
        for number in (1, 2):
            shop.ready(number)
        self._selections = 0
        self.publish(1)
        self.publish(2)

    @property
    def live(self) -> str:
        live = self.settings.live_release.current()
        assert live
        return live

    @property
    def other(self) -> int:
        """The number of the snapshot that is not live, so that a flip changes every answer."""
        return 3 - int(Release.open(self.settings, self.live).snapshot_id[-1])

    def select(self, number: int) -> str:
        """A selection that was never published; the id that its release will have."""
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
        """SHA-256 of what is live, as publish takes it over all rows."""
        return Release.open(self.settings, self.live).manifest.content_hash

    def left(self) -> int:
        """Directories beyond the releases kept: there should be none."""
        return sum(path.is_dir() for path in self.settings.releases.iterdir()) - KEPT


# --- readers


def read_on(home: Path, pause: float, total: Any, stop: Any, results: Any) -> None:
    """Read until told to stop, in a process of its own; puts counts of what was wrong.

    It stops too where whoever asked is killed: else it would read for ever.
    """
    service = RecommendationService(Settings(_env_file=None, home=home, threads=1))
    numbers = {
        release_id(snapshot_id(number), f"{selection:012x}"): number
        for number in (1, 2)
        for selection in range(SELECTIONS)
    }
    counts: Counter[str] = Counter()
    seen, longest = set(), 0.0
    asker = multiprocessing.parent_process()
    while not stop.is_set() and asker and asker.is_alive():
        for _ in range(READS_A_COUNT):
            user, item = f"u{counts['reads'] % 30}", f"i{counts['reads'] % 120:03}"
            asks: tuple[tuple[Callable[[str], Any], str], ...] = (
                (service.recommend, user),
                (service.recommend, "nobody"),
                (service.similar, item),
            )
            ask, key = asks[counts["reads"] % 3]
            begun = time.perf_counter()
            try:
                answer = ask(key)
            except Exception as error:  # noqa: BLE001 -- whatever refuses a read is counted
                counts["refused"] += 1
                print(f"refused: {error!r}", file=sys.stderr)
            else:
                longest = max(longest, time.perf_counter() - begun)
                seen.add(answer.release_id)
                if wrong := what_is_wrong(answer, numbers):
                    counts[wrong.partition(":")[0]] += 1
                    print(wrong, file=sys.stderr)
            counts["reads"] += 1
        with total.get_lock():
            total.value += READS_A_COUNT
        time.sleep(pause)
    results.put((dict(counts), seen, longest))


class Readers:
    """``counts``: reads, and those of them that were mixed, empty or refused; after the end.
    ``longest``: seconds of the slowest read. ``seen``: the releases that answered."""

    counts: Counter[str]
    longest: float
    seen: set[str]

    def __init__(self, total: Any) -> None:
        self._total = total

    def wait_for(self, reads: int) -> None:
        while self._total.value < reads:
            time.sleep(0.001)

    def rows(self) -> list[Row]:
        wrong = [
            Row(f"{kind} reads", self.counts[kind], "", target="<= 0")
            for kind in ("mixed", "empty", "refused")
        ]
        return [
            Row("reads", self.counts["reads"], ""),
            *wrong,
            Row("releases that answered", len(self.seen), ""),
            Row("the slowest read", 1000 * self.longest, "ms"),
        ]


@contextmanager
def reading(settings: Settings, pause: float = 0) -> Iterator[Readers]:
    """Processes that read meanwhile; what they found is there after the block."""
    total, stop, results = FORKS.Value("q", 0), FORKS.Event(), FORKS.Queue()
    processes = [
        FORKS.Process(target=read_on, args=(settings.home, pause, total, stop, results))
        for _ in range(READERS)
    ]
    for process in processes:
        process.start()
    readers = Readers(total)
    readers.wait_for(READERS * READS_A_COUNT)  # all of them, or nearly, have begun
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


# --- what happens meanwhile


def flip_and_roll_back(shop: Published, reads: int, flips: int) -> list[Row]:
    """Publish a new release and roll back, in turn, at even distances of reads."""
    seconds: dict[str, list[float]] = {"publish": [], "rollback": []}
    with reading(shop.settings) as readers:
        for flip in range(flips):
            readers.wait_for(reads * flip // flips)
            before, number, begun = shop.live, shop.other, time.perf_counter()
            if flip % 2:
                rollback(shop.settings)
            else:
                shop.publish(number)
            seconds["rollback" if flip % 2 else "publish"].append(time.perf_counter() - begun)
            assert shop.live != before
        readers.wait_for(reads)
    return [
        Row("publishes and rollbacks, in turn", flips, ""),
        *readers.rows(),
        Row("publish, median", statistics.median(seconds["publish"]), "s"),
        Row("rollback, slowest", max(seconds["rollback"]), "s", target="<= 1"),
        Row("directories left over", shop.left(), "", target="<= 0"),
    ]


def publish_apart(home: Path, identity: str, begun: Any) -> None:
    """In a process of its own; exits as the command line does."""
    settings = Settings(_env_file=None, home=home, threads=1)
    begun.set()
    try:
        publish(settings, identity)
    except Overtaken as error:
        sys.exit(error.exit_code)


def publisher(shop: Published, number: int) -> Any:
    """A process that is about to publish."""
    begun = FORKS.Event()
    identity = snapshot_id(number)
    process = FORKS.Process(target=publish_apart, args=(shop.settings.home, identity, begun))
    process.start()
    begun.wait(60)
    return process


def seconds_apart(shop: Published) -> float:
    """Of a publish in a process of its own, from its start to its end: where kills may fall."""
    taken = []
    for _ in range(5):
        shop.select(number := shop.other)
        process, begun = publisher(shop, number), time.perf_counter()
        process.join()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def kill_publishers(shop: Published, kills: int, chance: random.Random, told: Told) -> list[Row]:
    """Kill publishers at random; after each the next run must complete, with the same content."""
    wanted = {}
    for _ in range(2):
        number = shop.other
        shop.publish(number)
        wanted[number] = shop.content()
    counts: Counter[str] = Counter()
    with reading(shop.settings, PAUSE) as readers:
        span = seconds_apart(shop)
        while counts["killed"] < kills and not told.to_stop:
            number, before = shop.other, shop.live
            chosen = shop.select(number)
            process = publisher(shop, number)
            process.join(chance.uniform(0, span))
            with contextlib.suppress(ProcessLookupError):  # done before it was its time
                os.kill(process.pid, signal.SIGKILL)
            process.join()
            if process.exitcode != -signal.SIGKILL:
                counts["too late"] += 1
                continue
            counts["killed"] += 1
            counts["after the flip"] += shop.live == chosen
            counts["neither old nor new"] += shop.live not in (before, chosen)
            counts["with files left"] += shop.left() > 0
            publish(shop.settings, snapshot_id(number))
            whole = shop.live == chosen and shop.content() == wanted[number]
            counts["completed"] += whole and shop.left() <= 0
    return [
        Row("publishers killed by SIGKILL at random", counts["killed"], "", target=f">= {kills}"),
        Row("of them in the middle, files left behind", counts["with files left"], ""),
        Row("of them between the flip and the end", counts["after the flip"], ""),
        Row(
            "next runs that completed with the same content",
            counts["completed"],
            "",
            target=f">= {kills}",
        ),
        Row("pointers to neither old nor new", counts["neither old nor new"], "", target="<= 0"),
        *readers.rows(),
    ]


def hold_up_publishers(shop: Published, times: int, chance: random.Random, told: Told) -> list[Row]:
    """Stop publishers at random, publish something else, let them go on: they must change nothing.

    One that is stopped while it has the lock, for milliseconds as a rule, makes the next wait.
    """
    counts: Counter[str] = Counter()
    with reading(shop.settings, PAUSE) as readers:
        span = seconds_apart(shop)
        while counts["held up"] < times and not told.to_stop:
            number = shop.other
            older = shop.select(number)
            process = publisher(shop, number)
            process.join(chance.uniform(0, span))
            if process.exitcode is not None:
                continue
            os.kill(process.pid, signal.SIGSTOP)
            begun = shop.live
            newer = shop.select(3 - number)
            later = publisher(shop, 3 - number)
            later.join(20 * span)
            waited = later.exitcode is None
            if process.exitcode is None:  # it was not on its way out when it was stopped
                os.kill(process.pid, signal.SIGCONT)
            later.join()
            process.join()
            if begun == older:  # it had flipped already, and had nothing left to undo
                counts["after the flip"] += 1
                continue
            counts["held up"] += 1
            counts["waited for"] += waited
            counts["refused"] += process.exitcode == Overtaken.exit_code
            counts["undone"] += shop.live != newer
    return [
        Row("publishers held up by SIGSTOP while a later one ran", counts["held up"], ""),
        Row(
            "of them held up with the lock, so that the later one waited", counts["waited for"], ""
        ),
        Row("of them refused as overtaken", counts["refused"], ""),
        Row("later runs that were undone", counts["undone"], "", target="<= 0"),
        *readers.rows(),
    ]
