"""Families that generate histories, and their evaluator: interests are kept, nobody is copied."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import GROUPS, ITEMS, plant
from safetensors.torch import load_file

from penchant.artifacts import Snapshot
from penchant.errors import DataError
from penchant.settings import Settings
from training.commands.run_identity import run_id_of
from training.configs import main_job
from training.data.histories import Dataset, Histories, read_dataset
from training.data.split import split_by_time
from training.evaluation import generation
from training.evaluation.context import EvaluationContext
from training.evaluation.synthetic.privacy import shortened
from training.evaluation.synthetic.two_sample_test import bought_before
from training.families.gan import AdversarialConfig, AdversarialTraining, energy_distance
from training.fitting.budget import Budget
from training.fitting.capabilities import Generates
from training.fitting.context import TrainingContext
from training.fitting.factory import make
from training.fitting.family import Family
from training.fitting.trainer import TrainerConfig
from training.layers.generation.deduplication import HistorySampler, fingerprints
from training.layers.generation.draws import sample_distinct
from training.layers.generation.temporal_profile import TemporalProfile, visits

Trained = tuple[Settings, str]
GENERATORS = ("vae", "gan")


def context_for(dataset: Dataset, scratch: Path) -> TrainingContext:
    split = split_by_time(dataset.histories)
    return TrainingContext(
        split.validation, dataset.items, torch.device("cpu"), 0, Budget(600, 10**6), scratch
    )


def loaded(trained: Trained, name: str) -> tuple[Family, dict]:
    settings, snapshot_id = trained
    run_id = run_id_of(Snapshot.open(settings, snapshot_id), name, main_job(name), settings.seed)
    run = settings.runs / snapshot_id / run_id
    family = make(name, main_job(name))
    family.load_state(load_file(run / "model.safetensors"))
    return family, json.loads((run / "run.json").read_text())


def in_one_group(histories: Histories) -> float:
    """Mean share of a history's events in the group that has most of them."""
    counts_UG = np.zeros((len(histories), GROUPS))
    np.add.at(counts_UG, (histories.rows_N, histories.items_N % GROUPS), 1)
    return float((counts_UG.max(axis=1) / histories.lengths_U).mean())


@pytest.mark.parametrize("name", GENERATORS)
def test_synthetic_histories_keep_planted_interests(name: str, trained_once: Trained) -> None:
    family, _ = loaded(trained_once, name)
    assert isinstance(family, Generates)
    made = family.generate(100, 1)
    real = split_by_time(read_dataset(Snapshot.open(*trained_once)).histories).train
    assert in_one_group(made) > 0.5, "one of four at random is about .35"
    assert (made.users_U == -1).all() and made.end == real.end
    assert (made.times_N < made.end).all() and (made.weights_N > 0).all()
    assert (np.diff(made.times_N)[np.diff(made.rows_N) == 0] >= 0).all()
    assert 0.7 < made.lengths_U.mean() / real.lengths_U[real.lengths_U > 0].mean() < 1.4
    assert bought_before(made) < 0.5 * (1 + bought_before(real)), "the same again and again"
    assert not np.isin(fingerprints(made), fingerprints(real)).any()


@pytest.mark.parametrize("name", GENERATORS)
def test_same_seed_generates_same_histories(name: str, trained_once: Trained) -> None:
    (first, _), (second, _) = loaded(trained_once, name), loaded(trained_once, name)
    one, same, other = first.generate(9, 1), second.generate(9, 1), first.generate(9, 2)
    for field in ("items_N", "times_N", "weights_N", "starts_U1"):
        np.testing.assert_array_equal(getattr(one, field), getattr(same, field))
    assert not np.array_equal(fingerprints(one), fingerprints(other))
    assert len(first.generate(0, 1)) == 0


@pytest.mark.parametrize("name", GENERATORS)
def test_run_records_utility_and_privacy_of_its_histories(name: str, trained_once: Trained) -> None:
    figures = loaded(trained_once, name)[1]["tasks"]["generation"]
    assert figures["privacy"]["copies"] == 0
    assert figures["utility"]["ranking"]["difference"].keys() == {"mean", "low", "high"}
    assert 0 <= figures["privacy"]["membership_auc"]["mean"] <= 1
    assert "help" in figures["headline"] or "harm" in figures["headline"]
    assert figures["diversity"]["synthetic"]["items"] == ITEMS


def test_rewarded_items_are_generated_more(dataset: Dataset, tmp_path: Path) -> None:
    """Real are only those of one group; by likelihood, the generator knows all."""
    split = split_by_time(dataset.histories)
    context = context_for(dataset, tmp_path)
    family = make("gan", main_job("gan"))
    family.generator.fit(split, context)
    of_one = split.train.take(np.arange(0, len(split.train) - 1, GROUPS))
    config = AdversarialConfig(
        rounds=2,
        patience=2,
        length=10,
        likelihood=0.0,
        generator=TrainerConfig(
            steps=30, learning_rate=5e-3, warmup_steps=0, cosine=False, validate_every=30
        ),
    )
    training = AdversarialTraining(family.generator, of_one, config, context)
    training.context = replace(
        training.context, window=split.validation.take(np.arange(0, 60, GROUPS))
    )

    def share() -> float:
        made = training._generated(200, np.random.default_rng(0))
        return float((made.items_BT[made.has_BT] % GROUPS == 0).float().mean())

    before, figures = share(), training.run_rounds()
    assert figures["distance_by_reward"] < figures["distance_by_likelihood"]
    assert share() > before + 0.2


def test_rejected_round_leaves_generator_unchanged(dataset: Dataset, tmp_path: Path) -> None:
    split = split_by_time(dataset.histories)
    family = make("gan", main_job("gan"))
    family.generator.fit(split, context_for(dataset, tmp_path))
    config = AdversarialConfig(rounds=3, patience=1, length=10)
    training = AdversarialTraining(
        family.generator, split.train, config, context_for(dataset, tmp_path)
    )
    worth = iter([0.0, -1.0])
    training._validation_score = lambda: next(worth)  # type: ignore[method-assign]
    before = {name: one.clone() for name, one in family.generator.state().items()}
    assert training.run_rounds()["rounds"] == 0
    for name, tensor in family.generator.state().items():
        torch.testing.assert_close(tensor, before[name], msg=name)


def test_copies_of_real_histories_are_sampled_again(dataset: Dataset) -> None:
    train = dataset.histories
    sampler = HistorySampler.of(train)
    real, tries = train.take(np.array([0])), []

    def sample_items(schedule, generator):  # type: ignore[no-untyped-def]
        tries.append(len(schedule.lengths_B))
        length = int(schedule.lengths_B.sum())
        if len(tries) == 1:
            return torch.from_numpy(np.resize(real.items_N, length).astype(np.int64))
        return torch.zeros(length, dtype=torch.long)

    one = replace(sampler.profile, users_S4=np.array([[len(real.items_N), 1.0, 80.0, 1.0]]))
    known_F = np.unique(np.concatenate([fingerprints(real), sampler.known_F]))
    lengths = [fingerprints(_first(real, n)) for n in range(1, 200)]
    known_F = np.unique(np.concatenate([known_F, *lengths]))
    made, rejected = HistorySampler(one, known_F).generate(sample_items, 1, 0)
    assert rejected == 1 and tries == [1, 1]
    assert (made.items_N == 0).all()


def _first(histories: Histories, length: int) -> Histories:
    items_N = np.resize(histories.items_N, length)
    return replace(histories, items_N=items_N, starts_U1=np.array([0, length]))


def test_catalogue_of_one_item_raises_and_records_why(settings: Settings, tmp_path: Path) -> None:
    """With one item every synthetic history is a copy of a real one."""
    plant(settings, items=1)
    dataset = read_dataset(Snapshot.open(settings, next(settings.snapshots.iterdir()).name))
    split, context = split_by_time(dataset.histories), context_for(dataset, tmp_path)
    family = make("vae", main_job("vae"))
    family.fit(split, context)
    lengths = [_first(split.train.take(np.array([0])), length) for length in range(1, 500)]
    every_F = np.concatenate([fingerprints(one) for one in lengths])
    family.sampler = HistorySampler(family.sampler.profile, every_F)
    with pytest.raises(DataError, match="copies of real ones"):
        family.generate(3, 0)
    figures = generation.evaluate(family, EvaluationContext(dataset, split, context, tmp_path, 0))
    assert "copies of real ones" in figures["missing"] and not figures["headline"]


def test_synthetic_visits_match_real_statistics(dataset: Dataset) -> None:
    profile = TemporalProfile.of(dataset.histories)
    schedule = profile.sample(300, np.random.default_rng(0))
    real = visits(dataset.histories)[-1] + 1
    assert len(schedule.times_V) / 300 == pytest.approx(real / 60, rel=0.1)
    gaps_V = np.diff(schedule.times_V)
    assert (gaps_V[np.diff(np.repeat(np.arange(300), np.diff(schedule.starts_B1))) == 0] > 0).all()
    assert (schedule.times_V < dataset.histories.end).all() and (schedule.sizes_V >= 1).all()


def test_visit_samples_distinct_columns_by_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    weights_BC = torch.tensor([[1.0, 0.0, 2.0, 1.0], [0.998, 0.001, 0.001, 0.0]])
    rows_V = torch.tensor([0] * 4000 + [1] * 100)
    sizes_V = torch.tensor([1] * 4000 + [3] * 100)
    columns_N = sample_distinct(weights_BC, rows_V, sizes_V, generator)
    share_C = torch.bincount(columns_N[:4000], minlength=4) / 4000
    torch.testing.assert_close(share_C, torch.tensor([0.25, 0, 0.5, 0.25]), atol=0.03, rtol=0)
    assert (columns_N[4000:].view(100, 3).sort().values == torch.arange(3)).all()


def test_energy_distance_grows_with_mode_collapse() -> None:
    real_MF = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    similar = torch.randn(200, 8, generator=torch.Generator().manual_seed(1))
    assert energy_distance(real_MF, similar) < 0.02 < energy_distance(real_MF, 0.1 * similar)


def test_every_trainer_of_a_config_is_shortened() -> None:
    whole = main_job("gan")
    config = shortened(whole, 0.5)
    assert 2 * config.learning.trainer.steps == whole.learning.trainer.steps
    assert 2 * config.adversarial.discriminator.steps == whole.adversarial.discriminator.steps
    assert config.dimensions == whole.dimensions
