"""Events of every type: what families read of them, and shops that record one type alone."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from planted import AS_OF, DAYS, GROUPS, write_snapshot

from penchant.artifacts import Snapshot
from penchant.errors import DataError
from penchant.interactions import EVENT_TYPES
from penchant.settings import Settings
from training.configs import main_job
from training.data.catalogue import numbered
from training.data.histories import DAY, Dataset, Histories, read_dataset
from training.data.split import split_by_time
from training.evaluation.metrics.full_ranking import ndcg_at_10
from training.families import item_cf
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.factory import make_ranker
from training.fitting.family import Ranker

USERS, ITEMS, VISITS = 60, 40, 12
READ_EVERY_TYPE = ("item_cf", "ease", "matrix_factorization")


def shop(
    settings: Settings, types: tuple[str, ...], target: str = "purchase", visits: int = 3
) -> Dataset:
    """On each visit a user looks at some items of a group, and on one of so many ``visits`` buys
    another one of it; each user has a group. The last user only looks."""
    random = np.random.default_rng(5)
    histories, event_types = [], []
    for user in range(USERS):
        own = [item for item in range(ITEMS) if item % GROUPS == user % GROUPS]
        rows = []
        for visit, day in enumerate(np.linspace(0.5, DAYS - 1, VISITS)):
            *seen, bought = random.permutation(own)[:4]
            at = AS_OF - timedelta(days=float(day))
            rows += [(f"i{item:03}", at - timedelta(minutes=5), "view") for item in seen]
            if user < USERS - 1 and (visit + user) % visits == 0:
                rows.append((f"i{bought:03}", at, "purchase"))
        rows = sorted((row for row in rows if row[2] in types), key=lambda row: (row[1], row[2]))
        histories.append([(item, at) for item, at, _ in rows])
        event_types.append([name for *_, name in rows])
    write_snapshot(settings, histories, ITEMS, event_types=event_types, target=target)
    return read_dataset(Snapshot.open(settings, next(settings.snapshots.iterdir()).name))


def fitted(family: str, dataset: Dataset, scratch: Path) -> Ranker:
    split = split_by_time(dataset.histories)
    budget, cpu = Budget(600, 10**6), torch.device("cpu")
    model = make_ranker(family, main_job(family))
    model.fit(split, TrainingContext(split.validation, dataset.items, cpu, 0, budget, scratch))
    model.observe(dataset.histories)
    return model


def test_reads_every_type_beside_the_type_to_predict(settings: Settings) -> None:
    histories = shop(settings, ("view", "purchase")).histories
    assert histories.others is not None
    assert histories.places_N.tolist() == [0] * ((USERS - 1) * VISITS // 3)
    assert set(histories.others.places_N.tolist()) == {EVENT_TYPES.index("view")}
    assert histories.lengths_U[USERS - 1] == 0 < histories.others.lengths_U[USERS - 1]

    both = histories.every_type()
    assert len(both.items_N) == len(histories.items_N) + len(histories.others.items_N)
    same_user = np.diff(both.rows_N) == 0
    assert (np.diff(both.times_N)[same_user] >= 0).all()
    weighted = histories.every_type({"purchase": 1.0, "view": 0.5}).take(np.array([0]))
    assert weighted.weights_N.tolist()[-4:] == [0.5, 0.5, 0.5, 1.0]
    alone = histories.every_type({"purchase": 1.0, "view": 0.0})
    assert alone.items_N.tolist() == histories.items_N.tolist()


def test_windows_divide_every_type(settings: Settings) -> None:
    split = split_by_time(shop(settings, ("view", "purchase")).histories)
    for window in (split.validation, split.test):
        known = window.histories.every_type()
        assert known.times_N.max() < window.histories.end <= window.targets.times_N.min()
        assert set(window.targets.places_N.tolist()) == {0}
    newest = split.train.latest(2).take(np.array([USERS - 1, 0]))
    assert newest.others is not None
    assert newest.lengths_U.tolist() == [0, 2]
    assert newest.others.lengths_U.tolist() == split.train.others.lengths_U[[USERS - 1, 0]].tolist()


@pytest.mark.parametrize("family", READ_EVERY_TYPE)
def test_user_who_only_viewed_gets_items_like_the_viewed(
    family: str, settings: Settings, tmp_path: Path
) -> None:
    dataset = shop(settings, ("view", "purchase"))
    model = fitted(family, dataset, tmp_path / "scratch")
    viewer = dataset.histories.take(np.array([USERS - 1]))
    first_K = model.scores(viewer)[0].topk(5).indices
    assert (first_K % GROUPS == (USERS - 1) % GROUPS).all()

    again = make_ranker(family, main_job(family))
    again.load_state(model.state())
    assert torch.equal(again.scores(viewer), model.scores(viewer))


@pytest.mark.parametrize("recorded", ["view", "purchase"])
def test_shop_that_records_one_type_learns_from_it(
    recorded: str, settings: Settings, tmp_path: Path
) -> None:
    dataset = shop(settings, (recorded,), recorded, visits=1)
    assert dataset.histories.others is None
    assert set(dataset.histories.places_N.tolist()) == {EVENT_TYPES.index(recorded)}
    for family in READ_EVERY_TYPE:
        model = fitted(family, dataset, tmp_path / family)
        assert not [name for name in model.tuned if name.startswith("strength")]
        first_K = model.scores(dataset.histories.take(np.array([0])))[0].topk(2).indices
        assert (first_K % GROUPS == 0).all()


def test_rejects_target_type_that_was_not_recorded(settings: Settings) -> None:
    with pytest.raises(DataError, match="no event of the type 'purchase'"):
        shop(settings, ("view",), "purchase")


def test_setting_selects_the_type_to_predict(settings: Settings) -> None:
    histories = shop(settings, ("view", "purchase"), "view").histories
    assert set(histories.places_N.tolist()) == {EVENT_TYPES.index("view")}
    assert histories.others is not None and set(histories.others.places_N.tolist()) == {0}


@pytest.mark.parametrize("family", [*READ_EVERY_TYPE, "personal_frequency", "sasrec"])
def test_fits_one_basket_and_baskets_of_a_thousand_lines(family: str, tmp_path: Path) -> None:
    items = 1200
    model_of = make_ranker(family, main_job(family))
    dataset = _heavy(items)
    split = split_by_time(dataset)
    budget, cpu = Budget(600, 10**6), torch.device("cpu")
    context = TrainingContext(split.validation, numbered(items), cpu, 0, budget, tmp_path)
    model_of.fit(split, context)
    scores_BI = model_of.scores(dataset)
    assert scores_BI.shape == (len(dataset), items) and torch.isfinite(scores_BI).all()


def _heavy(items: int) -> Histories:
    """Ten users with four baskets of a thousand lines, and one with one basket of two lines."""
    random = np.random.default_rng(0)
    days = np.array([1.0, 20.0, 30.0, 40.0])
    lines = [np.concatenate([random.permutation(items)[:1000] for _ in days]) for _ in range(10)]
    times = [np.repeat(days, 1000)] * 10
    lines.append(np.array([3, 4]))
    times.append(np.array([2.0, 2.0]))
    lengths_U = np.array([len(one) for one in lines])
    return Histories(
        np.arange(len(lines)),
        np.concatenate([[0], np.cumsum(lengths_U)]),
        np.concatenate(lines).astype(np.int32),
        (np.concatenate(times) * DAY).astype(np.int64),
        np.ones(lengths_U.sum(), np.float32),
        items,
        50 * DAY,
    )


def test_simulated_viewers_are_served_better_than_by_popularity(
    built_home: Settings, tmp_path: Path
) -> None:
    """Every second user of the simulator bought nothing before the test window."""
    snapshot = next(built_home.snapshots.glob("s-*")).name
    dataset = read_dataset(Snapshot.open(built_home, snapshot))
    viewers_U = np.arange(len(dataset.histories)) % 2 == 1
    until = dataset.histories.end - 14 * DAY
    histories = _only_views(dataset.histories, viewers_U, until)
    split = split_by_time(histories)
    window = split.test.take(np.flatnonzero(viewers_U)).evaluated()
    assert not window.histories.lengths_U.any()
    ndcg = {}
    for family in ("popularity", "ease", "item_cf"):
        budget, cpu = Budget(600, 10**6), torch.device("cpu")
        model = make_ranker(family, main_job(family))
        scratch = tmp_path / family
        model.fit(split, TrainingContext(split.validation, dataset.items, cpu, 0, budget, scratch))
        model.observe(split.test.histories)
        ndcg[family] = ndcg_at_10(model.scores, window)
    assert min(ndcg["ease"], ndcg["item_cf"]) > 1.1 * ndcg["popularity"]


def _only_views(histories: Histories, viewers_U: np.ndarray, until: int) -> Histories:
    """Without the viewers' purchases and carts before ``until``."""
    assert histories.others is not None
    view = EVENT_TYPES.index("view")

    def kept(some: Histories) -> Histories:
        viewers_N = viewers_U[some.rows_N]
        return some.only(~viewers_N | (some.places_N == view) | (some.times_N >= until))

    return replace(kept(histories), others=kept(histories.others))


def test_an_item_is_no_neighbour_of_its_own_where_others_were_only_viewed(tmp_path: Path) -> None:
    """Item 0 is only viewed, so that items have other places among the bought and the wanted."""
    bought, wanted = np.ones((6, 3)), np.ones((6, 3))
    bought[:, 0] = 0
    config = item_cf.Config(min_buyers=2)
    context = TrainingContext(None, None, torch.device("cpu"), 0, Budget(600, 10**6), tmp_path)  # type: ignore[arg-type]
    near = item_cf.similarity(
        sp.csr_matrix(bought, dtype=np.float32),
        sp.csr_matrix(wanted, dtype=np.float32),
        config,
        False,
        context,
    ).toarray()
    assert (near.diagonal() == 0).all()
    assert near[1, 0] > 0 and near[1, 2] > 0 and near[2, 1] > 0
