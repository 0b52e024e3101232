"""Clients take turns, and requests that would wait too long are shed."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from penchant.api.http.rate_limit import WORK
from penchant.api.server import admission
from penchant.api.server.admission import (
    COSTLY,
    RUNNING_OF_ONE,
    Admission,
    Turns,
    TypicalWork,
)


def test_clients_take_turns() -> None:
    """One client's request is second in line, however many another has sent before."""

    async def run() -> list[str]:
        turns, order = Turns(running=1), list[str]()

        async def request(client: str) -> None:
            assert await turns.take(client)
            order.append(client)
            await asyncio.sleep(0)
            turns.give_back(client)

        assert await turns.take("first")
        flood = [asyncio.create_task(request("flood")) for _ in range(10)]
        await asyncio.sleep(0)
        other = asyncio.create_task(request("other"))
        await asyncio.sleep(0)
        turns.give_back("first")
        await asyncio.gather(*flood, other)
        return order

    assert asyncio.run(run()).index("other") <= 1


def test_sheds_beyond_each_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "WAITING_OF_ONE", 2)
    monkeypatch.setattr(admission, "MAX_WAIT_SECONDS", 0.01)

    async def run() -> tuple[list[bool], bool]:
        turns = Turns(running=1, waiting=3)
        assert await turns.take("a")
        taken = await asyncio.gather(*(turns.take(client) for client in "aaabbb"))
        turns.give_back("a")
        return taken, await turns.take("c")

    taken, after = asyncio.run(run())
    assert taken == [False] * 6 and after  # nobody gave a turn back, and none is lost


def test_a_cancelled_request_gives_its_place_back() -> None:
    async def run() -> bool:
        turns = Turns(running=1, waiting=1)
        assert await turns.take("a")
        waiting = asyncio.create_task(turns.take("b"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        last = asyncio.create_task(turns.take("c"))
        await asyncio.sleep(0)
        turns.give_back("a")
        return await last

    assert asyncio.run(run())


def test_a_client_has_a_share_of_the_turns() -> None:
    """A large body takes the whole share; others are not held up by it."""

    async def run() -> list[bool]:
        turns = Turns(running=3 * RUNNING_OF_ONE)
        assert await turns.take("large", RUNNING_OF_ONE)
        assert all([await turns.take("small") for _ in range(RUNNING_OF_ONE)])
        waiting = [asyncio.create_task(turns.take(client)) for client in ("large", "small")]
        await asyncio.sleep(0)
        assert await turns.take("other")
        turns.give_back("small")
        for _ in range(10):  # steps of the loop until the waiting task has its turn
            await asyncio.sleep(0)
        done = [each.done() for each in waiting]
        turns.give_back("large", RUNNING_OF_ONE)
        return [*done, *await asyncio.gather(*waiting)]

    assert asyncio.run(run()) == [False, True, True, True]


def test_a_client_pauses_after_a_costly_request_while_there_are_others() -> None:
    async def run() -> list[str]:
        turns, order = Turns(running=1), list[str]()

        async def request(client: str, weight: int) -> None:
            assert await turns.take(client, weight)
            order.append(client)
            turns.give_back(client, weight)

        assert await turns.take("costly", RUNNING_OF_ONE)
        turns.give_back("costly", RUNNING_OF_ONE, pause=60)
        await request("costly", RUNNING_OF_ONE)  # there is nobody else
        await request("small", 1)
        assert await turns.take("costly", RUNNING_OF_ONE)
        costly = asyncio.create_task(request("costly", RUNNING_OF_ONE))
        await asyncio.sleep(0)
        turns.give_back("costly", RUNNING_OF_ONE, pause=0.01)
        await asyncio.gather(*(request("small", 1) for _ in range(3)), costly)
        return order

    assert asyncio.run(run()) == ["costly", *["small"] * 4, "costly"]


def test_a_client_of_costly_requests_runs_one_at_a_time() -> None:
    """A client of small requests beside it keeps its share."""
    running, most = Counter[str](), Counter[str]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        client = scope["client"]
        running[client] += 1
        most[client] = max(most[client], running[client])
        await asyncio.sleep(0)
        scope["state"][WORK] = 10.0 if client == "costly" else 0.5
        running[client] -= 1

    async def run() -> None:
        admitted = Admission(app, lambda scope: scope["client"], Turns(running=100, waiting=1000))

        async def request(client: str) -> None:
            scope = {"type": "http", "path": "/", "client": client, "state": {}}
            await admitted(scope, None, None)

        for client in ("costly", "small") * 10:  # the average settles
            await request(client)
        most.clear()
        clients = ("costly", "small") * 20
        await asyncio.gather(*(request(client) for client in clients))

    asyncio.run(run())
    assert most == {"costly": 1, "small": RUNNING_OF_ONE}


def test_costly_requests_of_all_clients_are_limited_and_small_ones_go_on() -> None:
    async def run() -> list[bool]:
        turns = Turns()
        clients = [f"costly {number}" for number in range(COSTLY + 1)]
        costly = [asyncio.create_task(turns.take(each, RUNNING_OF_ONE)) for each in clients]
        await asyncio.sleep(0)
        assert await turns.take("small")
        done = [each.done() for each in costly]
        turns.give_back(clients[0], RUNNING_OF_ONE)
        return [*done, *await asyncio.gather(*costly)]

    assert asyncio.run(run()) == [*[True] * COSTLY, False, *[True] * (COSTLY + 1)]


def test_one_costly_request_makes_the_next_ones_count_as_costly() -> None:
    work = TypicalWork()
    work.record("client", 6.0)
    assert work.of("client") == 6.0
    work.record("client", 1.0)
    assert work.of("client") == 5.0
