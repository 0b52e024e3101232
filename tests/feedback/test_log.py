"""The log of what was shown and done: durable, whole lines only, from any number of processes."""

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Event

import pytest
from patience import PATIENCE

from penchant.feedback.log import FeedbackLog


def lines(log: FeedbackLog, table: str) -> list[dict]:
    log.seal()
    return [
        json.loads(line) for file in log.sealed(table) for line in file.read_text().splitlines()
    ]


def test_rows_keep_their_order_with_times_as_text(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path)
    log.append("events", [{"event_id": "a", "event_at": datetime(2024, 3, 1, 12)}])
    log.append("events", [{"event_id": "b"}, {"event_id": "c"}])
    log.append("events", [])
    found = lines(log, "events")
    assert [row["event_id"] for row in found] == ["a", "b", "c"]
    assert found[0]["event_at"] == "2024-03-01 12:00:00.000000"


def test_rows_after_a_seal_go_to_the_next_file(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path)
    log.append("events", [{"n": 1}])
    log.seal()
    log.seal()  # nothing new: no empty file
    log.append("events", [{"n": 2}])
    assert [row["n"] for row in lines(log, "events")] == [1, 2]
    assert len(log.sealed("events")) == 2


@pytest.mark.parametrize("torn", [b'{"n": 2, "text": "', b"x" * 200_000])
def test_next_write_truncates_a_partial_line(tmp_path: Path, torn: bytes) -> None:
    log = FeedbackLog(tmp_path)
    log.append("events", [{"n": 1}])
    with (tmp_path / "events" / "open.jsonl").open("ab") as file:
        file.write(torn)
    log.append("events", [{"n": 3}])
    assert [row["n"] for row in lines(log, "events")] == [1, 3]


def test_rejects_values_that_are_not_json(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path)
    with pytest.raises(TypeError, match="Path"):
        log.append("events", [{"n": 1}, {"n": tmp_path}])
    assert lines(log, "events") == []


KILLED = """
import sys
from pathlib import Path
from threading import Event
from penchant.feedback.log import FeedbackLog
log = FeedbackLog(Path(sys.argv[1]))
for n in range(10**6):
    log.append("events", [{"n": n}])
    print(n, flush=True)
"""


def test_killed_writer_loses_no_acknowledged_row(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
    writer.kill()
    acknowledged += [int(line) for line in writer.communicate()[0].splitlines()]
    found = [row["n"] for row in lines(FeedbackLog(tmp_path), "events")]
    assert found[: len(acknowledged)] == acknowledged


def test_concurrent_appends_and_seals_lose_no_row(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path)

    def write(first: int) -> None:
        for n in range(first, first + 25):
            log.append("events", [{"n": n}])
            if n % 10 == 0:
                log.seal()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(0, 100, 25)))
    assert sorted(row["n"] for row in lines(log, "events")) == list(range(100))


def test_waiting_threads_are_flushed_together_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, flushed, entered, go_on = FeedbackLog(tmp_path), [], Event(), Event()
    flush = os.fsync

    def slow(descriptor: int) -> None:
        if not flushed:
            entered.set()
            assert go_on.wait(PATIENCE)
        flushed.append(descriptor)
        flush(descriptor)

    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "open.jsonl").touch()
    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(log.append, "events", [{"thread": 0, "n": 0}])
        assert entered.wait(PATIENCE)
        others = [
            pool.submit(log.append, "events", [{"thread": thread, "n": n} for n in range(3)])
            for thread in range(1, 9)
        ]
        while len(log._commits._queue) < 8:
            assert not any(each.done() for each in others)
        go_on.set()
        for each in (first, *others):
            each.result(10)

    assert len(flushed) == 2  # of the first, and of all eight that came meanwhile
    found = lines(log, "events")
    for thread in range(1, 9):
        assert [row["n"] for row in found if row["thread"] == thread] == [0, 1, 2]


def test_failed_write_leaves_no_rows_in_any_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FeedbackLog(tmp_path)
    log.append_together({"impressions": [{"n": 1}], "propensities": [{"n": 1}]})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space left"):
            log.append_together({"impressions": [{"n": 2}], "propensities": [{"n": 2}]})

    log.append_together({"impressions": [{"n": 3}], "propensities": [{"n": 3}]})
    for table in ("impressions", "propensities"):
        assert [row["n"] for row in lines(log, table)] == [1, 3]


def test_sealed_files_keep_their_order_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FeedbackLog(tmp_path)
    for year in (2026, 2034, 2026):
        clock = type("Clock", (datetime,), {"now": lambda zone, year=year: datetime(year, 3, 1)})
        monkeypatch.setattr("penchant.feedback.log.datetime", clock)
        log.append("events", [{"n": year}])
        log.seal()
        if year == 2034:
            log.sealed("events")[-1].unlink()  # it has landed
    names = [file.name for file in log.sealed("events")]
    assert names == ["events-20260301T000000000000.jsonl", "events-20340301T000000000001.jsonl"]
