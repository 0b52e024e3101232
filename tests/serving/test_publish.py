"""Publishing: refused whole or live whole, the same twice is once, killed anywhere it goes on."""

import importlib
import itertools
import multiprocessing
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from patience import PATIENCE

from penchant.artifacts import ModelSelection
from penchant.errors import DataError, UsageError
from penchant.publishing import publish as publishing
from penchant.publishing.publish import KEPT, publish
from penchant.releases.fencing import Overtaken
from penchant.releases.release import RANKED_LISTS, Release, on_disk
from penchant.releases.rollback import rollback
from penchant.releases.rows import Rows
from penchant.settings import Settings

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"


def names(settings: Settings) -> set[str]:
    """Everything under releases/ but what keeps publishers apart."""
    return {path.name for path in settings.releases.iterdir()} - {".lock", "FENCING"}


def content(release: Path) -> list[tuple]:
    """All that readers can read of it, in one order."""
    with closing(sqlite3.connect(release / "online.db")) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        rows = [
            (table, *row)
            for (table,) in sorted(tables)
            for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY entity_key')
        ]
    rows.append(("index", (release / "items.usearch").read_bytes()))
    return rows


def test_publish_writes_all_views_and_flips(shop: Any) -> None:
    report = publish(shop.settings, ONE)

    assert report.status == "published"
    assert report.counts == {
        "user_vectors": 30,
        "user_segments": 30,
        "item_vectors": 120,
        "ranked_lists": 30,
        "popularity_prior": 1,
        "recent_items": 30,
        "bought_items": 30,
    }
    assert report.recall_at_10 == 1.0
    assert shop.settings.live_release.current() == report.release_id
    manifest = Release.open(shop.settings, report.release_id).manifest
    assert manifest.retriever is not None
    assert manifest.retriever.family == "matrix_factorization"
    assert manifest.dimensions == 8
    assert manifest.norms["item_vectors"]["min"] > 0


def test_second_publish_is_unchanged(shop: Any) -> None:
    first = publish(shop.settings, ONE)
    before = {path: path.stat().st_mtime_ns for path in shop.settings.releases.rglob("*")}

    again = publish(shop.settings, ONE)

    assert again.status == "unchanged"
    assert again.release_id == first.release_id
    after = {path: path.stat().st_mtime_ns for path in shop.settings.releases.rglob("*")}
    apart = {shop.settings.releases / name: 0 for name in (".lock", "FENCING")}
    assert before | apart == after | apart


def test_parts_of_a_few_users_give_the_same_release(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = shop.settings.releases / publish(shop.settings, ONE).release_id
    whole, files = content(release), Release.open(shop.settings, release.name).manifest.files
    shutil.rmtree(shop.settings.releases)
    monkeypatch.setattr("penchant.publishing.histories.EVENTS_A_PART", 25)
    monkeypatch.setattr("penchant.publishing.selected_runs.LISTS_A_PART", 7)
    monkeypatch.setattr("penchant.publishing.encoder.USERS_A_PART", 7)
    monkeypatch.setattr("penchant.releases.context_features.USERS_A_PART", 7)
    publish(shop.settings, ONE)
    assert content(release) == whole
    again = Release.open(shop.settings, release.name).manifest.files
    same = [name for name in files if name.startswith(("histories/", "policy_facts/"))]
    assert {name: files[name] for name in same} == {name: again[name] for name in same}
    assert len(Rows.open(release, RANKED_LISTS).table["user_id"].chunks) > 1


def set_vector(value: float) -> Callable[[dict[str, Any]], None]:
    def change(columns: dict[str, Any]) -> None:
        columns["vector"][3] = [value] * 8

    return change


def shorten(columns: dict[str, Any]) -> None:
    columns["vector"] = [vector[:5] for vector in columns["vector"]]


def rename_item(columns: dict[str, Any]) -> None:
    columns["item_ids"][0][0] = "not an item"


def repeat_user(columns: dict[str, Any]) -> None:
    columns["user_id"][1] = columns["user_id"][0]


def drop_score(columns: dict[str, Any]) -> None:
    columns["scores"][2] = columns["scores"][2][1:]


@pytest.mark.parametrize(
    ("table", "change", "cause"),
    [
        ("item_vectors", set_vector(0.0), "all zero"),
        ("user_vectors", set_vector(0.0), "all zero"),
        ("item_vectors", set_vector(float("nan")), "NaN or infinite"),
        ("user_vectors", set_vector(float("inf")), "NaN or infinite"),
        ("user_vectors", shorten, "5 dimensions, its items have 8"),
        ("ranked_lists", rename_item, "'not an item'"),
        ("ranked_lists", repeat_user, "repeats a user_id"),
        ("ranked_lists", drop_score, "different numbers of items and scores"),
    ],
)
def test_what_must_not_be_served_is_refused_and_nothing_is_left(
    published: Any, table: str, change: Callable[[dict[str, Any]], None], cause: str
) -> None:
    live = published.settings.live_release.current()
    published.spoil(2, table, change)

    with pytest.raises(DataError, match=cause):
        publish(published.settings, TWO)

    assert published.settings.live_release.current() == live
    assert names(published.settings) == {live, "CURRENT"}


def test_what_was_written_wrong_is_refused(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that loses the second row of every write."""
    from penchant.features.online_store import WideSqliteOnlineStore

    whole = WideSqliteOnlineStore.write_table

    def lose(self: Any, config: Any, view: Any, table: pa.Table) -> None:
        whole(self, config, view, pa.concat_tables([table.slice(0, 1), table.slice(2)]))

    monkeypatch.setattr(WideSqliteOnlineStore, "write_table", lose)
    with pytest.raises(DataError, match="online, not"):
        publish(shop.settings, ONE)
    assert names(shop.settings) == set()


def test_an_index_that_finds_too_little_is_refused(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penchant.releases.hnsw_index import HnswIndex

    monkeypatch.setattr(HnswIndex, "recall", lambda *_: 0.9)
    with pytest.raises(DataError, match=r"0\.900"):
        publish(shop.settings, ONE)
    assert names(shop.settings) == set()


def test_rejects_snapshot_without_online_features(shop: Any) -> None:
    shutil.rmtree(shop.settings.online / ONE)
    with pytest.raises(UsageError, match=f"penchant materialize --snapshot {ONE}"):
        publish(shop.settings, ONE)


def test_rejects_snapshot_without_selection(shop: Any) -> None:
    ModelSelection.path(shop.settings, ONE).unlink()
    with pytest.raises(UsageError, match=f"penchant select-models --snapshot {ONE}"):
        publish(shop.settings, ONE)


def test_rollback_makes_previous_release_live(published: Any) -> None:
    first = published.settings.live_release.current()
    with pytest.raises(UsageError, match="no previous release"):
        rollback(published.settings)
    second = publish(published.settings, TWO).release_id

    back = rollback(published.settings)

    assert (back.release_id, back.left) == (first, second)
    assert published.settings.live_release.current() == first
    assert publish(published.settings, TWO).status == "published"
    assert published.settings.live_release.current() == second


def test_removes_old_releases_but_keeps_live_and_previous(shop: Any) -> None:
    published = []
    for number in range(KEPT + 2):
        select_again(shop, f"{number:012x}")
        published.append(publish(shop.settings, ONE).release_id)

    left = {name for name in names(shop.settings) if name.startswith("r-")}
    assert len(left) == KEPT
    assert {published[-1], published[-2]} <= left


def test_lists_releases_while_one_is_removed(
    published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published.settings.live_release.current()
    second = publish(published.settings, TWO).release_id
    whole = Release.open

    def overtaken(settings: Settings, release_id: str) -> Release:
        shutil.rmtree(settings.releases / first, ignore_errors=True)
        return whole(settings, release_id)

    monkeypatch.setattr(Release, "open", overtaken)
    assert [each.id for each in on_disk(published.settings)] == [second]


def select_again(shop: Any, selection_id: str) -> None:
    """Another selection for snapshot ONE, so that there is another release to publish."""
    selection = ModelSelection.of(shop.settings, ONE)
    changed = selection.model_copy(update={"selection_id": selection_id})
    changed.write(ModelSelection.path(shop.settings, ONE))


def meanwhile(monkeypatch: pytest.MonkeyPatch, where: str, act: Callable[[], object]) -> None:
    """Hold the next publisher up at a function of its module, once, and act."""
    whole, pending = getattr(publishing, where), [act]

    def held_up(*args: Any, **kwargs: Any) -> Any:
        if pending:
            pending.pop()()
        return whole(*args, **kwargs)

    monkeypatch.setattr(publishing, where, held_up)


@pytest.mark.parametrize("where", ["create_store", "sync_files"])  # with no file yet, with all
def test_delayed_publish_is_rejected_after_a_later_one(
    shop: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    meanwhile(monkeypatch, where, lambda: publish(shop.settings, TWO))

    with pytest.raises(
        Overtaken, match=r"overtaken: .* \(fencing token 2, this one has 1\) made r-"
    ):
        publish(shop.settings, ONE)

    live = shop.settings.live_release.current()
    assert names(shop.settings) == {live, "CURRENT"}
    assert publish(shop.settings, TWO).status == "unchanged"
    assert publish(shop.settings, ONE).status == "published"  # asked anew, it is the later one


def test_concurrent_publish_of_same_selection_reports_unchanged(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, "create_store", lambda: publish(shop.settings, ONE))
    report = publish(shop.settings, ONE)
    assert report.status == "unchanged"
    assert names(shop.settings) == {report.release_id, "CURRENT"}


def test_rollback_rejects_publish_that_began_earlier(
    published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published.settings.live_release.current()
    publish(published.settings, TWO)
    select_again(published, "another")
    meanwhile(monkeypatch, "sync_files", lambda: rollback(published.settings))
    with pytest.raises(Overtaken, match=f"made {first} live"):
        publish(published.settings, ONE)
    assert published.settings.live_release.current() == first


def test_rejects_corrupt_fencing_file(published: Any) -> None:
    live = published.settings.live_release.current()
    for rubbish in ("", "{}", "[1]", "drawn: 1"):
        (published.settings.releases / "FENCING").write_text(rubbish)
        with pytest.raises(DataError, match="FENCING: must be a JSON object"):
            publish(published.settings, TWO)
    assert published.settings.live_release.current() == live


# A fork of a process that has imported Feast and has no thread yet: 3 s less for each kill.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["penchant.publishing.publish"])


def publish_and_die(home: Path, snapshot_id: str, where: str, call: int) -> None:
    """Publish, and die by SIGKILL as the ``call``-th call of ``where`` begins."""
    module_name, _, path = where.partition(":")
    owner = importlib.import_module(module_name)
    *holders, name = path.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    whole = getattr(owner, name)
    calls = itertools.count(1)

    def die(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*args, **kwargs)

    setattr(owner, name, die)
    publish(Settings(_env_file=None, home=home, threads=1), snapshot_id)


@pytest.mark.parametrize(
    ("where", "call"),
    [
        ("penchant.publishing.publish:create_store", 1),
        ("penchant.features.online_store:WideSqliteOnlineStore.write_table", 2),
        ("penchant.publishing.publish:_verify_read_back", 1),
        ("os:rename", 1),  # the release gets its name
        ("penchant.storage:Pointer.flip", 1),
        ("os:replace", 3),  # of FENCING: after the token and release.json, before the pointer
        ("penchant.publishing.publish:_prune", 1),
    ],
)
def test_publish_after_kill_gives_same_content(
    published: Any, undisturbed: list[tuple], where: str, call: int
) -> None:
    first = published.settings.live_release.current()
    publisher = FORKS.Process(
        target=publish_and_die, args=(published.settings.home, TWO, where, call)
    )
    publisher.start()
    publisher.join(PATIENCE)
    assert publisher.exitcode == -signal.SIGKILL
    live = published.settings.live_release.current()
    assert (live == first) is (where != "penchant.publishing.publish:_prune")

    report = publish(published.settings, TWO)

    assert content(published.settings.releases / report.release_id) == undisturbed
    assert published.settings.live_release.current() == report.release_id
    assert names(published.settings) == {first, report.release_id, "CURRENT"}


@pytest.fixture(scope="module")
def undisturbed(shop_once: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple]:
    """Content of release TWO, published without a disturbance."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(shop_once, home)
    settings = Settings(_env_file=None, home=home, threads=1)
    return content(settings.releases / publish(settings, TWO).release_id)
