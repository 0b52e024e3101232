"""Reading: whole answers from one release, whatever publishers do meanwhile."""

import multiprocessing
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from patience import PATIENCE

from penchant.errors import DataError, UsageError
from penchant.publishing.publish import publish
from penchant.releases.rollback import rollback
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"
FLIPS = 50


def test_known_user_gets_the_ranked_list(shop: Any) -> None:
    live = publish(shop.settings, ONE)

    answer = RecommendationService(shop.settings).recommend("u3", 5)

    assert answer.origin == "ranker matrix_factorization"
    assert answer.release_id == live.release_id
    assert len(answer.items) == 5
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    assert all(item.title == f"TITLE {item.item_id} OF 1" for item in answer.items)
    assert "TITLE" in answer.render()


def test_unknown_user_gets_popular_items(published: Any) -> None:
    answer = RecommendationService(published.settings).recommend("nobody", 3)
    assert answer.origin == "popularity prior"
    assert [item.item_id for item in answer.items] == ["i000", "i001", "i002"]


def test_similar_items_are_the_nearest_by_cosine_without_the_item(published: Any) -> None:
    vectors = pq.read_table(published.run(1) / "item_vectors.parquet").to_pydict()
    matrix = np.array(vectors["vector"])
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    cosines = matrix @ matrix[7]
    exact = [vectors["item_id"][at] for at in np.argsort(-cosines)[1:6]]

    answer = RecommendationService(published.settings).similar("i007", 5)

    assert [item.item_id for item in answer.items] == exact
    assert answer.items[0].score == pytest.approx(np.sort(cosines)[-2], abs=1e-5)


def test_similar_is_rejected_where_popularity_serves(shop: Any) -> None:
    snapshot_id = shop.ready(3, vectors=False)
    report = publish(shop.settings, snapshot_id)
    service = RecommendationService(shop.settings)

    assert report.recall_at_10 is None
    assert service.recommend("u1").origin == "ranker popularity"
    with pytest.raises(UsageError, match="no item vectors"):
        service.similar("i001")


@pytest.mark.parametrize("wrong", ["", "  ", "u" * 129, "u\n1", "u\x00", "u\u202e1", "\ud800"])
def test_rejects_a_malformed_id(published: Any, wrong: str) -> None:
    service = RecommendationService(published.settings)
    for ask in (service.recommend, service.similar):
        with pytest.raises(UsageError, match="id"):
            ask(wrong)


@pytest.mark.parametrize("k", [0, -1, 101])
def test_rejects_k_out_of_range(published: Any, k: int) -> None:
    with pytest.raises(UsageError, match="from 1 to 100"):
        RecommendationService(published.settings).recommend("u1", k)


def test_rejects_an_unknown_item(published: Any) -> None:
    with pytest.raises(UsageError, match="unknown item 'i999'"):
        RecommendationService(published.settings).similar("i999")


def test_rejects_requests_without_a_live_release(settings: Settings) -> None:
    with pytest.raises(UsageError, match="penchant publish"):
        RecommendationService(settings).recommend("u1")


def test_retries_on_the_live_release_after_a_removal(
    published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = published.settings.live_release.current()
    service = RecommendationService(published.settings)
    whole = service._opened

    def overtaken(release_id: str) -> Any:
        """Between the read of the pointer and the opening, publish does all it can do."""
        if release_id == old:
            publish(published.settings, TWO)
            shutil.rmtree(published.settings.releases / old)
        return whole(release_id)

    monkeypatch.setattr(service, "_opened", overtaken)
    assert service.recommend("u1").snapshot_id == TWO


def test_reports_a_missing_live_release(published: Any) -> None:
    live = published.settings.live_release.current()
    shutil.rmtree(published.settings.releases / live)
    with pytest.raises(DataError, match=f"{live} is not in"):
        RecommendationService(published.settings).recommend("u1")


def what_is_wrong(answer: Any, releases: dict[str, int]) -> str | None:
    """Scores, titles and snapshot must all be of the release that the answer names."""
    number = releases[answer.release_id]
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


def hammer(
    settings: Settings, service: RecommendationService, releases: dict[str, int], stop: Any
) -> list[str]:
    """Read until told to stop; what went wrong, and last the number of reads and ids seen."""
    wrong, reads, seen = [], 0, set()
    while not stop.is_set():
        asks = (
            (service.recommend, f"u{reads % 30}"),
            (service.recommend, "nobody"),
            (service.similar, f"i{reads % 120:03}"),
        )
        ask, key = asks[reads % 3]
        try:
            answer = ask(key)
        except Exception as error:  # noqa: BLE001 -- whatever refuses a read is what is counted
            wrong.append(f"refused: {error!r}")
        else:
            problem = what_is_wrong(answer, releases)
            wrong += [problem] if problem else []
            seen.add(answer.release_id)
        reads += 1
    return [*wrong[:5], f"{reads} reads of {len(seen)}"]


def hammer_from_outside(
    home: Path, releases: dict[str, int], ready: Any, stop: Any, results: Any
) -> None:
    settings = Settings(_env_file=None, home=home, threads=1)
    service = RecommendationService(settings)
    service.recommend("u1")
    ready.set()
    results.put(hammer(settings, service, releases, stop))


def test_every_answer_is_of_one_release_through_50_flips(shop: Any) -> None:
    """Two threads that share a reader and one process; publish and rollback flip 50 times."""
    settings = shop.settings
    releases = {publish(settings, ONE).release_id: 1, publish(settings, TWO).release_id: 2}
    forks = multiprocessing.get_context("forkserver")
    ready, stop, results = forks.Event(), forks.Event(), forks.Queue()
    process = forks.Process(
        target=hammer_from_outside, args=(settings.home, releases, ready, stop, results)
    )
    process.start()
    assert ready.wait(PATIENCE)
    service = RecommendationService(settings)
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(hammer(settings, service, releases, stop)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()

    for flip in range(FLIPS):
        before = settings.live_release.current()
        if flip % 2:
            rollback(settings)
        else:
            publish(settings, ONE if releases[str(before)] == 2 else TWO)
        assert settings.live_release.current() != before
        stop.wait(0.02)  # let readers read between two flips

    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    outside = results.get(timeout=PATIENCE)
    process.join(PATIENCE)
    for result in (*found, outside):
        assert result[:-1] == []
        assert result[-1].endswith("reads of 2")
