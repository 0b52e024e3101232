"""SeqGAN on users' histories: a generator trained against a discriminator (Yu et al. 2017).

The generator is a next-item model with a gated recurrent unit, trained by maximum likelihood first:
on the coming weeks, as for ranking, then on real segments. Then, in rounds, the discriminator is
trained on real and generated segments, and the generator by policy gradient on the discriminator's
rewards. The times and sizes of visits are not learned but sampled (temporal_profile.py).

Changes to the paper. The discriminator gives a logit after each event, so an item's reward is the
change of the logit, without Monte Carlo rollouts (adversary.py). The loss of a policy gradient step
includes the likelihood of real windows: rewards are sparse over twenty thousand items. Two
parameters beside the network mix its softmax with repeats of earlier items (sampler.py), which a
network of this size does not learn in seconds. A visit's items are sampled together from one
state. Scores are dot products plus a bias that starts as popularity: cosines are too even where
shares matter and not only the order.

Against mode collapse, entropy is rewarded, and a round is rolled back unless it brings generated
segments nearer to those of held-out users (energy distance, Székely & Rizzo 2013, which grows
without diversity) at no cost in NDCG@10. Training ends after ``patience`` rolled-back rounds;
without an accepted round the generator is the maximum-likelihood model.
"""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from training.data.histories import Histories
from training.data.split import Split
from training.evaluation.metrics.full_ranking import Scorer
from training.fitting.context import TrainingContext
from training.fitting.exported_encoder import Encoder
from training.fitting.family import State, VectorFamily
from training.fitting.progress import VALIDATION, no_steps
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.generation.adversary import (
    Discriminator,
    LabelledSegments,
    Segments,
    SegmentSampler,
    advantages,
)
from training.layers.generation.deduplication import HistorySampler, without_sampler
from training.layers.generation.policy_gradient import Policy, Rollouts
from training.layers.generation.sampler import RepeatMixture, Vocabulary, sample_items
from training.layers.generation.temporal_profile import Schedule
from training.layers.probe import Probe, fit_probe, without_probe
from training.layers.sequences.next_item import NextItem, NextItemConfig, main_job_learning
from training.layers.sequences.recurrent import RecurrentEncoder
from training.layers.sequences.windows import Windows

USERS_AT_ONCE = 512  # their longest histories are sampled event by event together
REPEATS = "repeats.parameters_2"
LOST_NDCG = 0.01  # share of the NDCG after maximum likelihood that may be lost at no cost
PRICE_OF_NDCG = 100.0  # of each further unit, in energy distance


def generator_learning() -> NextItemConfig:
    """Without the shop's vectors: rare items are generated as groups that share an embedding.

    Half of the steps of the others: it starts near the NDCG that they end with.
    """
    learning = main_job_learning()
    trainer = replace(learning.trainer, steps=50, validate_every=50)
    return replace(learning, temperature=0.0, vector_dimensions=0, trainer=trainer)


@dataclass(frozen=True)
class AdversarialConfig:
    """First ``pretraining`` by likelihood, then at most ``rounds``, each of the discriminator's
    steps and then the generator's.

    ``length``: events of a segment. ``segments``: of a batch; ``held_out_segments``: that rounds
    are evaluated on, of a share ``held_out`` of the users. ``validation_users``: for NDCG@10.
    ``discount``: see ``advantages``. ``entropy`` and ``likelihood``: see ``Policy``.
    """

    rounds: int = 3
    patience: int = 1
    length: int = 40
    segments: int = 32
    held_out_segments: int = 96
    held_out: float = 0.1
    validation_users: int = 100
    hidden: int = 64
    discount: float = 0.9
    entropy: float = 0.01
    likelihood: float = 0.5
    pretraining: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=12, learning_rate=2e-3, warmup_steps=2, validate_every=6
        )
    )
    discriminator: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(steps=32, warmup_steps=4, validate_every=32)
    )
    generator: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=4, learning_rate=1e-3, warmup_steps=0, cosine=False, validate_every=4
        )
    )


@dataclass(frozen=True)
class Config:
    """``hidden``: size of the state, which is projected to the items' ``dimensions``."""

    dimensions: int = 64
    hidden: int = 128
    dropout: float = 0.1
    learning: NextItemConfig = field(default_factory=generator_learning)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)


class Model(VectorFamily):
    """State: the generator's weights, the history sampler's, and the probe's. Vectors are the
    generator's; see ``NextItem``."""

    config: Config
    rejected = 0

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        encoder = partial(
            RecurrentEncoder, nn.GRU, config.dimensions, config.hidden, 1, config.dropout
        )
        self.generator = NextItem(config, config.learning, config.dimensions, encoder)

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.fit_generator(split, context)
        self.probe, self.habits = fit_probe(self.user_vectors, split, context)
        self.tuned |= self.probe.record()

    def fit_generator(self, split: Split, context: TrainingContext) -> None:
        self.generator.fit(split, context)
        training = AdversarialTraining(
            self.generator, split.train, self.config.adversarial, context
        )
        training.pretrain()
        self.tuned = self.generator.tuned | training.run_rounds()
        self.generator.remember()
        self.repeats = training.policy.repeats
        self.sampler = HistorySampler.of(split.train)
        self.tuned |= {
            "sharpness": self.repeats.sharpness.item(),
            "half_repeats": self.repeats.half_repeats.item(),
        }

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        return self.generator.user_vectors(batch)

    def item_vectors(self) -> torch.Tensor:
        return self.generator.item_vectors()

    def scorer(self) -> Scorer:
        return self.generator.scorer()

    def learned_items(self) -> torch.Tensor:
        return self.generator.learned_items()

    def exported(self) -> Encoder:
        return self.generator.exported()

    def interests(self, batch: Histories) -> torch.Tensor:
        return self.probe.probabilities(self.user_vectors, batch)

    def generate(self, count: int, seed: int) -> Histories:
        generated, self.rejected = self.sampler.generate(self._sample_items, count, seed)
        return generated

    def _sample_items(self, schedule: Schedule, generator: torch.Generator) -> torch.Tensor:
        network = self.generator.network.cpu()
        vocabulary = Vocabulary.of(network)
        schedule = schedule.at_most(len(vocabulary.items_C))
        length, count = self.config.adversarial.length, len(schedule.lengths_B)
        items = [torch.zeros(0, dtype=torch.long)]
        for first in range(0, count, USERS_AT_ONCE):
            part = schedule.take(np.arange(first, min(first + USERS_AT_ONCE, count)))
            items.append(sample_items(network, self.repeats, vocabulary, part, length, generator))
        return torch.cat(items)

    def state(self) -> State:
        weights = self.generator.state() | {REPEATS: self.repeats.parameters_2.detach()}
        return weights | self.sampler.state() | self.probe.state()

    def load_state(self, state: State) -> None:
        weights = without_probe(without_sampler(state))
        self.repeats = RepeatMixture()
        self.repeats.load_state_dict({"parameters_2": weights.pop(REPEATS)})
        self.generator.load_state(weights)
        self.sampler, self.probe = HistorySampler.load(state), Probe.of(state)


class AdversarialTraining:
    """Trains generator and discriminator in turns, on the CPU: sampling is event by event."""

    def __init__(
        self,
        generator: NextItem,
        train: Histories,
        config: AdversarialConfig,
        context: TrainingContext,
    ) -> None:
        self.generator, self.config = generator, config
        generator.forget()
        self.network = generator.network.cpu()
        users = min(config.validation_users, len(context.window.histories))
        self.context = replace(
            context,
            device=torch.device("cpu"),
            window=context.window.take(np.arange(users)),
            expect=no_steps,
        )
        self.vocabulary = Vocabulary.of(self.network)
        self.policy = Policy(self.network, self.vocabulary, config.entropy, config.likelihood)
        torch.manual_seed(context.seed)
        self.discriminator = Discriminator(self.network, config.hidden)
        random = np.random.default_rng(context.seed)
        order = random.permutation(np.flatnonzero(train.lengths_U))
        held_out = max(1, int(config.held_out * len(order)))
        self.real_segments = SegmentSampler(
            train.take(order[held_out:] if len(order) > 1 else order), config.length
        )
        sampler = SegmentSampler(train.take(order[:held_out]), config.length)
        self.held_out = sampler.sample(config.held_out_segments, random)
        self.windows = Windows(train, generator.learning.windows, context.seed, self.context.device)

    def pretrain(self) -> None:
        """Train the generator by likelihood on real segments."""

        def of(segments: Segments) -> Rollouts:
            return Rollouts(segments, segments.has_BT.float())

        fit_by_gradient(
            self.policy,
            lambda step: of(
                self.real_segments.sample(
                    self.config.segments, np.random.default_rng([self.context.seed, step])
                )
            ),
            lambda: -float(self.policy.loss(of(self.held_out))),
            self.config.pretraining,
            self._context_for(0, "pretraining"),
        )

    def run_rounds(self) -> dict[str, float]:
        """Run all rounds, keeping the accepted ones; returns their record."""
        config, accepted, rejected = self.config, 0, 0
        self.first_ndcg = self.context.validate(self.generator.scorer())
        first_distance = self.distance()
        for number in range(config.rounds):
            self._train_discriminator(number)
            if self._train_generator(number):
                accepted, rejected = accepted + 1, 0
            else:
                rejected += 1
            if rejected == config.patience:
                break
        return {
            "rounds": accepted,
            "distance_by_likelihood": first_distance,
            "distance_by_reward": self.distance() if accepted else first_distance,
        }

    def _train_discriminator(self, number: int) -> None:
        config, seed = self.config, [self.context.seed, number]
        generated = self._generated(3 * config.held_out_segments, np.random.default_rng([*seed, 0]))
        held_out = _label(self.held_out, generated.take(slice(config.held_out_segments)))

        def batch_of(step: int) -> LabelledSegments:
            random = np.random.default_rng([*seed, 1, step])
            rows = random.integers(config.held_out_segments, len(generated), config.segments)
            real = self.real_segments.sample(config.segments, random)
            return _label(real, generated.take(torch.from_numpy(rows)))

        fit_by_gradient(
            self.discriminator,
            batch_of,
            lambda: -float(self.discriminator.loss(held_out)),
            config.discriminator,
            self._context_for(number, "discriminator"),
        )

    def _train_generator(self, number: int) -> bool:
        """Whether the round is accepted; otherwise the generator is unchanged."""

        def batch_of(step: int) -> Rollouts:
            random = np.random.default_rng([self.context.seed, number, 2, step])
            generated = self._generated(self.config.segments, random)
            advantage_BT = advantages(self.discriminator, generated, self.config.discount)
            place = number * self.config.generator.steps + step
            return Rollouts(generated, advantage_BT, self.windows.batch(place))

        progress = fit_by_gradient(
            self.policy,
            batch_of,
            self._validation_score,
            self.config.generator,
            self._context_for(number, "generator"),
        )
        return progress.best_step > 0

    def _validation_score(self) -> float:
        ndcg = self.context.validate(self.generator.scorer())
        lost = max(0.0, (1 - LOST_NDCG) * self.first_ndcg - ndcg)
        return -self.distance() - PRICE_OF_NDCG * lost

    def distance(self) -> float:
        """Energy distance between generated segments and those of held-out users, with the same
        visits and the same random numbers each time."""
        generator = torch.Generator().manual_seed(self.context.seed)
        generated = self._resampled(self.held_out, generator)
        return energy_distance(*(self._summary(one) for one in (self.held_out, generated)))

    def _summary(self, segments: Segments) -> torch.Tensor:
        """summary_BF: the mean of the discriminator's features over a segment."""
        with torch.no_grad():
            features_BTF = self.discriminator.features(segments)
        return features_BTF.sum(dim=1) / segments.has_BT.sum(dim=1, keepdim=True)

    def _generated(self, count: int, random: np.random.Generator) -> Segments:
        """Generated segments, in the visits of real ones."""
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        return self._resampled(self.real_segments.sample(count, random), generator)

    def _resampled(self, segments: Segments, generator: torch.Generator) -> Segments:
        schedule = segments.schedule()
        repeats, vocabulary = self.policy.repeats, self.vocabulary
        items_N = sample_items(
            self.network, repeats, vocabulary, schedule, self.config.length, generator
        )
        return segments.with_items(items_N)

    def _context_for(self, number: int, part: str) -> TrainingContext:
        def curve(name: str, step: int, value: float) -> None:
            figure = "validation" if name == VALIDATION else name
            self.context.curve(f"round_{number}_{part}_{figure}", step, value)

        checkpoints = self.context.checkpoints / f"round-{number}-{part}"
        return replace(self.context, checkpoints=checkpoints, curve=curve)


def energy_distance(one_MF: torch.Tensor, other_NF: torch.Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, each feature in standard deviations of the first."""
    scale_F = one_MF.std(dim=0).clamp(min=1e-3) * one_MF.shape[1] ** 0.5
    one_MF, other_NF = one_MF / scale_F, other_NF / scale_F
    within = (
        torch.cdist(each, each).sum() / (len(each) * (len(each) - 1)) for each in (one_MF, other_NF)
    )
    return float(2 * torch.cdist(one_MF, other_NF).mean() - sum(within))


def _label(real: Segments, generated: Segments) -> LabelledSegments:
    """Real and generated in turn, so that a part of the batch has both."""
    both = ((real.items_BT, generated.items_BT), (real.begins_BT, generated.begins_BT))
    joined = (
        torch.stack(pair, dim=1).flatten(0, 1) for pair in (*both, (real.has_BT, generated.has_BT))
    )
    return LabelledSegments(Segments(*joined), torch.tensor([True, False]).repeat(len(real)))
