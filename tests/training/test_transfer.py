"""Moving to categories with little data: what is linked is taken over, what isn't falls back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from penchant.errors import DataError, UsageError
from training.data.histories import DAY, Histories, starts
from training.data.split import Split, split_by_time
from training.evaluation.transfer import transferred
from training.families.transfer import TRANSFER, Config, Model
from training.fitting.budget import Budget
from training.fitting.capabilities import TransferDecision
from training.fitting.context import TrainingContext
from training.fitting.trainer import TrainerConfig
from training.layers.sequences.next_item import NextItemConfig
from training.layers.sequences.windows import Windows, WindowsConfig
from training.layers.transfer.adaptation import (
    FULL,
    AdaptationConfig,
    InitialLayers,
    TransferredModel,
    adapt,
    closed_form_start,
)
from training.layers.transfer.adapters import parameter_count
from training.layers.transfer.domains import DomainsConfig, domains
from training.layers.transfer.guard import (
    ADOPTED,
    LEAST_USERS,
    POPULARITY,
    REJECTED,
    SCRATCH,
    Values,
    decide,
)
from training.layers.transfer.moving import target_of
from training.layers.transfer.target import thinned

USERS, PREFERENCES, DAYS = 240, 4, 120
SOURCE, TARGET = 24, 12
"""Items of the source, and of each target; item i is for preference i % PREFERENCES."""
CATALOGUE = pa.table(
    {
        "item_id": [f"i{item:03}" for item in range(SOURCE + 2 * TARGET)],
        "category_1": ["Much"] * SOURCE + ["Linked"] * TARGET + ["Unlinked"] * TARGET,
        "category_2": [f"kind {item % PREFERENCES} of {item // TARGET}" for item in range(SOURCE)]
        + [f"linked {item % PREFERENCES}" for item in range(TARGET)]
        + [f"unlinked {item % PREFERENCES}" for item in range(TARGET)],
    }
)
STEPS = TrainerConfig(steps=40, learning_rate=3e-3, warmup_steps=5, validate_every=20, patience=2)
LEARNING = NextItemConfig(
    windows=WindowsConfig(length=40, events_a_batch=1024, horizon_days=14),
    negatives=32,
    temperature=0.1,
    warm_start=True,
    sum_weight=20.0,
    epochs=5,
    trainer=STEPS,
)
CONFIG = Config(
    dimensions=16,
    layers=1,
    heads=1,
    learning=LEARNING,
    scratch=LEARNING,
    moving=AdaptationConfig(bottleneck=1, ridges=(3.0,), trainer=STEPS),
    domains=DomainsConfig(source_share=0.7, least_events=50),
    curve_shares=(),
)


def shop(seed: int = 0) -> Histories:
    """A user's preference in the source is that in the linked target, not that in the other."""
    random = np.random.default_rng(seed)
    events = []
    for user in range(USERS):
        preference, other = random.integers(PREFERENCES, size=2)
        for first, count, own in (
            (0, 24, preference),
            (SOURCE, 6, preference),
            (SOURCE + TARGET, 6, other),
        ):
            size = SOURCE if first == 0 else TARGET
            items = first + random.integers(size // PREFERENCES, size=count) * PREFERENCES + own
            times = random.integers(DAYS * DAY, size=count)
            events += [
                (user, int(time), int(item)) for time, item in zip(times, items, strict=True)
            ]
    users_N, times_N, items_N = np.array(sorted(events)).T
    lengths_U = np.bincount(users_N, minlength=USERS)
    weights_N = np.ones(len(items_N), np.float32)
    return Histories(
        np.arange(USERS),
        starts(lengths_U),
        items_N.astype(np.int32),
        times_N,
        weights_N,
        len(CATALOGUE),
        DAYS * DAY,
    )


@pytest.fixture(scope="module")
def split() -> Split:
    """Little of what was done with the targets is known: most evaluated users are new there."""
    histories = shop()
    targets_J = np.arange(SOURCE, len(CATALOGUE))
    known = thinned(targets_J, 0.15, 0)
    whole = split_by_time(histories, 28)
    return Split(
        known(whole.train),
        replace(whole.validation, histories=known(whole.validation.histories)),
        replace(whole.test, histories=known(whole.test.histories)),
    )


@pytest.fixture(scope="module")
def scratch_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


def context_for(split: Split, folder: Path) -> TrainingContext:
    return TrainingContext(
        split.validation, CATALOGUE, torch.device("cpu"), 0, Budget(600, 10**6), folder
    )


def fitted(split: Split, folder: Path) -> Model:
    model = Model(CONFIG)
    model.fit(split, context_for(split, folder))
    return model


@pytest.fixture(scope="module")
def model(split: Split, scratch_folder: Path) -> Model:
    return fitted(split, scratch_folder / "once")


def test_guard_adopts_linked_target_and_rejects_unlinked(model: Model) -> None:
    said = {decision.category: decision for decision in model.decisions}
    linked, unlinked = said["Linked"], said["Unlinked"]
    assert linked.status == ADOPTED and linked.low is not None and linked.low > 0
    assert 0 < linked.share < 1
    assert unlinked.status == REJECTED and unlinked.share == 0
    assert unlinked.served in (SCRATCH, POPULARITY)
    assert model.tuned["targets"] == 2 and model.tuned["adopted"] == 1


def test_adaptation_leaves_trunk_unchanged(
    model: Model, split: Split, scratch_folder: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in model.trunk.state().items()}
    target, _ = target_of(split, CATALOGUE, model.domains, model.domains.targets)
    context = context_for(split, scratch_folder / "full")
    start = closed_form_start(model.trunk, target, CONFIG.moving, context)
    full, progress = adapt(model.trunk, target, start, FULL, CONFIG.moving, context)
    assert progress.step > 0 and not full.adapters
    after = model.trunk.state()
    assert all(torch.equal(before[name], after[name]) for name in before)
    moved = model.moved
    assert moved is not None
    frozen = {name for name in moved.state_dict() if name not in moved.learned()}
    of_trunk = {
        name: tensor
        for name, tensor in moved.network.state_dict().items()
        if f"network.{name}" in frozen
    }
    for name, tensor in of_trunk.items():
        if name != "row_I":
            was = name.replace(".out.0.", ".out.").replace("feed_forward.0.", "feed_forward.")
            was = was.replace("embedding.known_RD", "embedding.weight")
            assert torch.equal(tensor, before[was]), name


def test_adapters_have_at_most_a_twentieth_of_trunk_parameters() -> None:
    config = Config()
    trunk = config.model(config.learning)
    trunk.network = trunk._network(3, torch.zeros(4, 1, dtype=torch.long))
    width = config.dimensions
    start = InitialLayers(torch.zeros(2, width), torch.zeros(2, width), torch.zeros(2))
    moved = TransferredModel(trunk, np.array([2, 3]), start, config.moving.bottleneck)
    learned = moved.learned()
    assert 0 < moved.adapter_parameters <= 0.05 * parameter_count(trunk.network.encoder)
    assert sum(weight.numel() for weight in learned.values()) == (
        moved.adapter_parameters + moved.item_parameters
    )


def test_same_seed_and_loaded_state_give_same_scores(
    model: Model, split: Split, scratch_folder: Path
) -> None:
    again = fitted(split, scratch_folder / "again").state()
    state = model.state()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
    loaded = Model(CONFIG)
    loaded.load_state(state)
    histories = split.test.histories
    torch.testing.assert_close(loaded.scores(histories), model.scores(histories))
    assert any(name.startswith(TRANSFER) for name in state)


def test_echo_ranks_read_items_higher(model: Model, split: Split, scratch_folder: Path) -> None:
    target, _ = target_of(split, CATALOGUE, model.domains, ["Linked"])
    context, known = context_for(split, scratch_folder / "echo"), split.test.histories
    silent_UJ, echoing_UJ = (
        TransferredModel(
            model.trunk,
            target.items_J,
            closed_form_start(model.trunk, target, replace(CONFIG.moving, echoes=(echo,)), context),
            bottleneck=0,
        ).scores(known)
        for echo in (0.0, 10.0)
    )
    own = target.alone(known)
    had_UJ = own.matrix(np.ones(len(own.items_N))).toarray() > 0
    gain_UJ = (echoing_UJ - silent_UJ).numpy()
    assert gain_UJ[had_UJ].mean() > gain_UJ[~had_UJ].mean() + 0.5


def test_filter_keeps_events_before_since() -> None:
    histories, everything_J = shop(), np.arange(len(CATALOGUE))
    kept = thinned(everything_J, 0.25, 3, since=60 * DAY)(histories)
    before, after = (each.before(60 * DAY) for each in (histories, kept))
    np.testing.assert_array_equal(before.items_N, after.items_N)
    late = len(histories.items_N) - len(before.items_N)
    assert len(kept.items_N) - len(after.items_N) == pytest.approx(0.25 * late, rel=0.15)


def test_scores_are_log_probabilities(model: Model, split: Split) -> None:
    chances_BI = model.scores(split.test.histories).exp()
    torch.testing.assert_close(chances_BI.sum(dim=1), torch.ones(USERS), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("targets", "bought", "error", "says"),
    [
        (("Nowhere",), {}, UsageError, "no item has"),
        (("Linked",), {"Linked": 0}, DataError, "has no events"),
        (("Linked",), {"Linked": 1}, DataError, "only one item"),
        (("Linked", "Much"), {}, DataError, "the source has"),
    ],
)
def test_rejects_unusable_named_target(
    targets: tuple[str, ...], bought: dict[str, int], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        domains(CATALOGUE, counts(**bought), DomainsConfig(targets=targets))


def test_small_categories_are_served_by_popularity_with_reason() -> None:
    found = domains(CATALOGUE, counts(Linked=1), DomainsConfig(source_share=0.5))
    assert found.targets == ("Unlinked",)
    assert found.too_little == {"Linked": "100 training events, fewer than 200"}
    nothing = domains(CATALOGUE, counts(Linked=0), DomainsConfig(source_share=0.5))
    assert nothing.too_little == {"Linked": "0 training events, fewer than 200"}
    alone = domains(CATALOGUE, 3 * counts(Linked=1), DomainsConfig(source_share=0.5))
    assert alone.too_little == {"Linked": "only one of its items was bought"}
    poor = domains(CATALOGUE, counts() // 50, DomainsConfig(source_share=0.5))
    assert not poor.names and len(poor.source_I) == len(CATALOGUE)


def counts(**bought: int) -> np.ndarray:
    """100 events of each item, of a category only of its first few items."""
    counts_I = np.full(len(CATALOGUE), 100)
    categories = np.array(CATALOGUE["category_1"].to_pylist())
    for name, items in bought.items():
        counts_I[np.flatnonzero(categories == name)[items:]] = 0
    return counts_I


def test_share_keeps_same_events_in_every_part() -> None:
    histories, targets_J = shop(), np.arange(SOURCE, len(CATALOGUE))
    keep = thinned(targets_J, 0.25, 3)
    kept = keep(histories)
    own = np.isin(histories.items_N, targets_J).sum()
    assert np.isin(kept.items_N, targets_J).sum() == pytest.approx(0.25 * own, rel=0.15)
    assert (kept.items_N < SOURCE).sum() == (histories.items_N < SOURCE).sum()
    early = histories.before(60 * DAY)
    np.testing.assert_array_equal(keep(early).items_N, kept.before(60 * DAY).items_N)


def test_windows_predict_only_wanted_events() -> None:
    histories = shop()
    wanted = histories.only(histories.items_N >= SOURCE)
    windows = Windows(histories, LEARNING.windows, 0, torch.device("cpu"), wanted=wanted)
    read, predicted = set(), set()
    for step in range(3):
        batch = windows.batch(step)
        read |= set(batch.read_BT.flatten().tolist())
        predicted |= set(batch.wanted_N.tolist())
    assert min(predicted) >= SOURCE and min(read) < SOURCE


def values(transfer: float, without: float, users: int = 200) -> Values:
    random = np.random.default_rng(1)
    noise_U = random.normal(0, 0.1, users)
    return {
        "transfer": transfer + noise_U + random.normal(0, 0.1, users),
        "scratch": without + noise_U,
        "popularity": without - 0.2 + noise_U,
    }


def test_guard_requires_significant_gain() -> None:
    better, same = values(0.4, 0.3), values(0.3, 0.3)
    assert decide("Toys", better, better, 0).status == ADOPTED
    fell = decide("Toys", same, same, 0)
    assert (fell.status, fell.served, fell.share) == (REJECTED, SCRATCH, 0.0)
    few = values(0.9, 0.3, LEAST_USERS - 1)
    assert "users to evaluate on" in decide("Toys", few, few, 0).reason


def test_writes_share_of_interest_due_to_transfer() -> None:
    adopted = [TransferDecision("Care", "adopted", "transfer", "it is better", share=0.25)]
    table = transferred(adopted, ["ann", "bob"])
    assert table.to_pylist() == [
        {"user_id": "ann", "category": "Care", "share": 0.25},
        {"user_id": "bob", "category": "Care", "share": 0.25},
    ]
    assert transferred([], ["ann"]).num_rows == 0
