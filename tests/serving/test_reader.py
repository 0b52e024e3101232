"""Reading: whole answers from one generation, whatever publishers do meanwhile."""

import multiprocessing
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from penchant.errors import DataError, UsageError
from penchant.serving.generations.publish import publish, rollback
from penchant.serving.reader import Reader
from penchant.settings import Settings

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"
FLIPS = 50


def test_a_known_shopper_gets_the_rankers_list(shop: Any) -> None:
    live = publish(shop.settings, ONE)

    answer = Reader(shop.settings).recommend("u3", 5)

    assert answer.origin == "ranker matrix_factorization"
    assert answer.generation_id == live.generation_id
    assert len(answer.items) == 5
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    assert all(item.title == f"TITLE {item.item_id} OF 1" for item in answer.items)
    assert "TITLE" in answer.render()


def test_an_unknown_shopper_gets_the_prior_marked_as_such(shop: Any) -> None:
    publish(shop.settings, ONE)
    answer = Reader(shop.settings).recommend("nobody", 3)
    assert answer.origin == "popularity prior"
    assert [item.item_id for item in answer.items] == ["i000", "i001", "i002"]


def test_similar_items_are_the_nearest_by_angle_and_never_the_item_itself(shop: Any) -> None:
    publish(shop.settings, ONE)
    vectors = pq.read_table(shop.run(1) / "item_vectors.parquet").to_pydict()
    matrix = np.array(vectors["vector"])
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    cosines = matrix @ matrix[7]
    exact = [vectors["item_id"][at] for at in np.argsort(-cosines)[1:6]]

    answer = Reader(shop.settings).similar("i007", 5)

    assert [item.item_id for item in answer.items] == exact
    assert answer.items[0].score == pytest.approx(np.sort(cosines)[-2], abs=1e-5)


def test_without_vectors_popularity_serves_and_similar_says_so(shop: Any) -> None:
    snapshot_id = shop.ready(3, vectors=False)
    report = publish(shop.settings, snapshot_id)
    reader = Reader(shop.settings)

    assert report.recall_at_10 is None
    assert reader.recommend("u1").origin == "ranker popularity"
    with pytest.raises(UsageError, match="no item vectors"):
        reader.similar("i001")


@pytest.mark.parametrize("wrong", ["", "  ", "u" * 129, "u\n1", "u\x00", "u\u202e1", "\ud800"])
def test_a_malformed_id_is_a_clear_error(shop: Any, wrong: str) -> None:
    publish(shop.settings, ONE)
    reader = Reader(shop.settings)
    for ask in (reader.recommend, reader.similar):
        with pytest.raises(UsageError, match="id"):
            ask(wrong)


@pytest.mark.parametrize("k", [0, -1, 101])
def test_k_out_of_range_is_a_clear_error(shop: Any, k: int) -> None:
    with pytest.raises(UsageError, match="from 1 to 100"):
        Reader(shop.settings).recommend("u1", k)


def test_an_unknown_item_is_a_clear_error(shop: Any) -> None:
    publish(shop.settings, ONE)
    with pytest.raises(UsageError, match="'i999' has no vector"):
        Reader(shop.settings).similar("i999")


def test_nothing_published_is_a_clear_error(settings: Settings) -> None:
    with pytest.raises(UsageError, match="penchant publish"):
        Reader(settings).recommend("u1")


def test_a_generation_removed_while_it_is_asked_gives_way_to_the_live_one(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = publish(shop.settings, ONE).generation_id
    reader = Reader(shop.settings)
    whole = reader._opened

    def overtaken(generation_id: str) -> Any:
        """Between the read of the pointer and the opening, publish does all it can do."""
        if generation_id == old:
            publish(shop.settings, TWO)
            shutil.rmtree(shop.settings.generations / old)
        return whole(generation_id)

    monkeypatch.setattr(reader, "_opened", overtaken)
    assert reader.recommend("u1").snapshot_id == TWO


def test_a_live_generation_that_is_gone_is_a_clear_error(shop: Any) -> None:
    live = publish(shop.settings, ONE).generation_id
    shutil.rmtree(shop.settings.generations / live)
    with pytest.raises(DataError, match=f"{live} is not in"):
        Reader(shop.settings).recommend("u1")


def what_is_wrong(answer: Any, generations: dict[str, int]) -> str | None:
    """Scores, titles and snapshot must all be of the generation that the answer names."""
    number = generations[answer.generation_id]
    if not answer.items:
        return "empty"
    if not all(item.title.endswith(f" OF {number}") for item in answer.items):
        return f"mixed: a title that is not of {number}"
    if answer.snapshot_id[-1] != str(number):
        return f"mixed: snapshot {answer.snapshot_id} in {number}"
    ranked = not answer.origin.startswith("similar")
    if ranked and not all(number <= item.score <= number + 1 for item in answer.items):
        return f"mixed: a score that is not of {number}"
    return None


def hammer(settings: Settings, reader: Reader, generations: dict[str, int], stop: Any) -> list[str]:
    """Read until told to stop; what went wrong, and last the number of reads and ids seen."""
    wrong, reads, seen = [], 0, set()
    while not stop.is_set():
        asks = (
            (reader.recommend, f"u{reads % 30}"),
            (reader.recommend, "nobody"),
            (reader.similar, f"i{reads % 120:03}"),
        )
        ask, key = asks[reads % 3]
        try:
            answer = ask(key)
        except Exception as error:  # noqa: BLE001 -- whatever refuses a read is what is counted
            wrong.append(f"refused: {error!r}")
        else:
            problem = what_is_wrong(answer, generations)
            wrong += [problem] if problem else []
            seen.add(answer.generation_id)
        reads += 1
    return [*wrong[:5], f"{reads} reads of {len(seen)}"]


def hammer_from_outside(
    home: Path, generations: dict[str, int], ready: Any, stop: Any, results: Any
) -> None:
    settings = Settings(_env_file=None, home=home, threads=1)
    reader = Reader(settings)
    reader.recommend("u1")
    ready.set()
    results.put(hammer(settings, reader, generations, stop))


def test_readers_never_see_two_generations_nor_none_through_50_flips(shop: Any) -> None:
    """Two threads that share a reader and one process; publish and rollback flip 50 times."""
    settings = shop.settings
    generations = {publish(settings, ONE).generation_id: 1, publish(settings, TWO).generation_id: 2}
    forks = multiprocessing.get_context("forkserver")
    ready, stop, results = forks.Event(), forks.Event(), forks.Queue()
    process = forks.Process(
        target=hammer_from_outside, args=(settings.home, generations, ready, stop, results)
    )
    process.start()
    assert ready.wait(60)
    reader = Reader(settings)
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(hammer(settings, reader, generations, stop)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()

    for flip in range(FLIPS):
        before = settings.live_generation.current()
        if flip % 2:
            rollback(settings)
        else:
            publish(settings, ONE if generations[str(before)] == 2 else TWO)
        assert settings.live_generation.current() != before
        stop.wait(0.02)  # let readers read between two flips

    stop.set()
    for thread in threads:
        thread.join(30)
    outside = results.get(timeout=30)
    process.join(30)
    for result in (*found, outside):
        assert result[:-1] == []
        assert result[-1].endswith("reads of 2")
