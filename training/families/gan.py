"""SeqGAN for users: a generator of histories, taught by a discriminator (Yu et al. 2017).

The generator is a next-item model with a gated recurrent unit, taught by likelihood first: what
comes in a fortnight, which ranks, and then the very draws of real stretches. Then, in rounds, the
discriminator learns to tell stretches that the generator draws from real ones, and the generator
learns by policy gradient to draw what passes. Visits, and how much they hold, are not learned:
rhythm.py draws them.

What was changed. The discriminator reads from left to right and judges after each event, so a draw
is rewarded by how it moves the judgement, and no prefix is played to its end (adversary.py). A
step's loss keeps the likelihood of real windows in it, because rewards over twenty thousand items
say little of most. Beside the network, two numbers say how much taste counts and how often people
buy again what they bought (walk.py): what a network of this size does not learn in seconds. A
visit's items are drawn together from one state. States and items are compared by their dot product
plus a bias that starts as popularity: where shares matter, and not only the order, a cosine is too
even.

Guards against collapse to a few histories: the entropy of choices is rewarded; a round that does
not bring made-up stretches nearer to those of users whom neither round has seen (the energy
distance of Székely & Rizzo 2013, which grows when the made-up are alike), or that costs NDCG@10, is
taken back; after ``patience`` such rounds it ends. So no rounds at all is one outcome, and the
generator is then what likelihood made of it.
"""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from training.data.histories import Histories
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.exported_encoder import Encoder
from training.fitting.family import State, VectorFamily
from training.fitting.progress import VALIDATION, no_steps
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.generation.adversary import (
    Discriminator,
    Labelled,
    Stock,
    Stretches,
    advantages,
)
from training.layers.generation.deduplication import Frame, without_frame
from training.layers.generation.policy_gradient import Policy, Rollouts
from training.layers.generation.sampler import Choices, Habit, walk
from training.layers.generation.temporal_profile import Schedule
from training.layers.probe import Probe, fit_probe, without_probe
from training.layers.sequences.next_item import NextItem, NextItemConfig, main_job_learning
from training.layers.sequences.recurrent import RecurrentEncoder
from training.layers.sequences.windows import Windows

USERS_AT_ONCE = 128
HABIT = "habit.moved_2"
LOST_NDCG = 0.01  # of what likelihood reached: less than that costs nothing
PRICE_OF_NDCG = 100.0  # of what is lost beyond it, in energy distance


def generator_learning() -> NextItemConfig:
    return replace(main_job_learning(), temperature=0.0)


@dataclass(frozen=True)
class AdversarialConfig:
    """First ``stretching``, by likelihood. Then at most ``rounds``, each of the discriminator's
    steps and then the generator's.

    ``length``: events of a stretch. ``stretches``: of a batch, and ``judged``, by which a round is
    kept or taken back. ``held_out``: share of users for that. ``discount``: see ``advantages``.
    ``entropy`` and ``likelihood``: see ``Policy``.
    """

    rounds: int = 3
    patience: int = 1
    length: int = 40
    stretches: int = 64
    judged: int = 160
    held_out: float = 0.1
    judging_users: int = 100
    hidden: int = 64
    discount: float = 0.9
    entropy: float = 0.01
    likelihood: float = 0.5
    stretching: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=12, learning_rate=2e-3, warmup_steps=2, validate_every=6
        )
    )
    discriminator: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(steps=32, warmup_steps=4, validate_every=32)
    )
    generator: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=8, learning_rate=1e-3, warmup_steps=0, cosine=False, validate_every=8
        )
    )


@dataclass(frozen=True)
class Config:
    """``hidden``: dimensions of the state; ``dimensions``: of items, which it is brought to."""

    dimensions: int = 64
    hidden: int = 128
    dropout: float = 0.1
    learning: NextItemConfig = field(default_factory=generator_learning)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)


class Model(VectorFamily):
    """State: the generator's weights, the frame that it fills, and the readout of interests.
    Vectors are the generator's; see ``NextItem``."""

    config: Config
    rejected = 0

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        encoder = partial(
            RecurrentEncoder, nn.GRU, config.dimensions, config.hidden, 1, config.dropout
        )
        self.generator = NextItem(config, config.learning, config.dimensions, encoder)

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.generator.fit(split, context)
        game = Game(self.generator, split.train, self.config.adversarial, context)
        game.stretch()
        self.tuned = self.generator.tuned | game.play()
        self.habit = game.policy.habit
        self.frame = Frame.of(split.train)
        self.tuned |= {
            "sharpness": self.habit.sharpness.item(),
            "half_repeats": self.habit.half_repeats.item(),
        }
        self.readout = fit_probe(self.user_vectors, split, context)
        self.tuned |= self.readout.record()

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        return self.generator.user_vectors(batch)

    def item_vectors(self) -> torch.Tensor:
        return self.generator.item_vectors()

    def learned_items(self) -> torch.Tensor:
        return self.generator.learned_items()

    def exported(self) -> Encoder:
        return self.generator.exported()

    def interests(self, batch: Histories) -> torch.Tensor:
        return self.readout.probabilities(self.user_vectors, batch)

    def generate(self, count: int, seed: int) -> Histories:
        made, self.rejected = self.frame.filled(self._fill, count, seed)
        return made

    def _fill(self, schedule: Schedule, generator: torch.Generator) -> torch.Tensor:
        network = self.generator.network.cpu()
        choices = Choices.of(network)
        schedule = schedule.at_most(len(choices.items_C))
        length, count = self.config.adversarial.length, len(schedule.lengths_B)
        items = [torch.zeros(0, dtype=torch.long)]
        for first in range(0, count, USERS_AT_ONCE):
            part = schedule.take(np.arange(first, min(first + USERS_AT_ONCE, count)))
            items.append(walk(network, self.habit, choices, part, length, generator))
        return torch.cat(items)

    def state(self) -> State:
        weights = self.generator.state() | {HABIT: self.habit.moved_2.detach()}
        return weights | self.frame.state() | self.readout.state()

    def load_state(self, state: State) -> None:
        weights = without_probe(without_frame(state))
        self.habit = Habit()
        self.habit.load_state_dict({"moved_2": weights.pop(HABIT)})
        self.generator.load_state(weights)
        self.frame, self.readout = Frame.load(state), Probe.of(state)


class Game:
    """Generator and discriminator in turns. On the CPU, because it draws event by event."""

    def __init__(
        self,
        generator: NextItem,
        train: Histories,
        config: AdversarialConfig,
        context: TrainingContext,
    ) -> None:
        self.generator, self.config = generator, config
        self.network = generator.network.cpu()
        users = min(config.judging_users, len(context.window.histories))
        self.training = replace(
            context,
            device=torch.device("cpu"),
            window=context.window.take(np.arange(users)),
            expect=no_steps,
        )
        self.choices = Choices.of(self.network)
        self.policy = Policy(self.network, self.choices, config.entropy, config.likelihood)
        torch.manual_seed(context.seed)
        self.discriminator = Discriminator(self.network, config.hidden)
        random = np.random.default_rng(context.seed)
        order = random.permutation(np.flatnonzero(train.lengths_U))
        unseen = max(1, int(config.held_out * len(order)))
        self.stock = Stock(train.take(order[unseen:] if len(order) > 1 else order), config.length)
        stock = Stock(train.take(order[:unseen]), config.length)
        self.unseen = stock.draw(config.judged, random)
        self.windows = Windows(
            train, generator.learning.windows, context.seed, self.training.device
        )
        self.first_ndcg = self.training.validate(generator.scores)
        self.first_distance = self.distance()

    def stretch(self) -> None:
        """Teach the generator, by likelihood, to draw stretches as they are."""

        def of(stretches: Stretches) -> Rollouts:
            return Rollouts(stretches, stretches.has_BT.float())

        fit_by_gradient(
            self.policy,
            lambda step: of(
                self.stock.draw(
                    self.config.stretches, np.random.default_rng([self.training.seed, step])
                )
            ),
            lambda: -float(self.policy.loss(of(self.unseen))),
            self.config.stretching,
            self._context_for(0, "stretching"),
        )
        self.first_ndcg = self.training.validate(self.generator.scores)
        self.first_distance = self.distance()

    def play(self) -> dict[str, float]:
        """Leaves the generator as the best round did; gives how it went."""
        config, kept, idle = self.config, 0, 0
        for number in range(config.rounds):
            self._teach_discriminator(number)
            if self._teach_generator(number):
                kept, idle = kept + 1, 0
            else:
                idle += 1
            if idle == config.patience:
                break
        return {
            "rounds": kept,
            "distance_by_likelihood": self.first_distance,
            "distance_by_reward": self.distance(),
        }

    def _teach_discriminator(self, number: int) -> None:
        config, seed = self.config, [self.training.seed, number]
        made = self._stretches(4 * config.judged, np.random.default_rng([*seed, 0]))
        judged = _labelled(self.unseen, made.take(slice(config.judged)))

        def batch_of(step: int) -> Labelled:
            random = np.random.default_rng([*seed, 1, step])
            rows = random.integers(config.judged, len(made), config.stretches)
            real = self.stock.draw(config.stretches, random)
            return _labelled(real, made.take(torch.from_numpy(rows)))

        fit_by_gradient(
            self.discriminator,
            batch_of,
            lambda: -float(self.discriminator.loss(judged)),
            config.discriminator,
            self._context_for(number, "discriminator"),
        )

    def _teach_generator(self, number: int) -> bool:
        """Whether the round brought anything; if not, the generator is as it was before."""

        def batch_of(step: int) -> Rollouts:
            random = np.random.default_rng([self.training.seed, number, 2, step])
            made = self._stretches(self.config.stretches, random)
            advantage_BT = advantages(self.discriminator, made, self.config.discount)
            place = number * self.config.generator.steps + step
            return Rollouts(made, advantage_BT, self.windows.batch(place))

        progress = fit_by_gradient(
            self.policy,
            batch_of,
            self._worth,
            self.config.generator,
            self._context_for(number, "generator"),
        )
        return progress.best_step > 0

    def _worth(self) -> float:
        ndcg = self.training.validate(self.generator.scores)
        lost = max(0.0, (1 - LOST_NDCG) * self.first_ndcg - ndcg)
        return -self.distance() - PRICE_OF_NDCG * lost

    def distance(self) -> float:
        """Energy distance between made-up stretches and those of users not seen in the rounds,
        of the same visits and by the same draws each time."""
        generator = torch.Generator().manual_seed(self.training.seed)
        made = self._filled(self.unseen, generator)
        return energy_distance(*(self._summary(one) for one in (self.unseen, made)))

    def _summary(self, stretches: Stretches) -> torch.Tensor:
        """summary_BF: the mean over a stretch of what the discriminator sees."""
        with torch.no_grad():
            seen_BTF = self.discriminator.seen(stretches)
        return seen_BTF.sum(dim=1) / stretches.has_BT.sum(dim=1, keepdim=True)

    def _stretches(self, count: int, random: np.random.Generator) -> Stretches:
        """Made up, in the visits of real ones."""
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        return self._filled(self.stock.draw(count, random), generator)

    def _filled(self, stretches: Stretches, generator: torch.Generator) -> Stretches:
        schedule = stretches.schedule()
        habit, choices = self.policy.habit, self.choices
        items_N = walk(self.network, habit, choices, schedule, self.config.length, generator)
        return stretches.with_items(items_N)

    def _context_for(self, number: int, who: str) -> TrainingContext:
        def curve(name: str, step: int, value: float) -> None:
            what = "validation" if name == VALIDATION else name
            self.training.curve(f"round_{number}_{who}_{what}", step, value)

        checkpoints = self.training.checkpoints / f"round-{number}-{who}"
        return replace(self.training, checkpoints=checkpoints, curve=curve)


def energy_distance(one_MF: torch.Tensor, other_NF: torch.Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, each feature in standard deviations of the first."""
    scale_F = one_MF.std(dim=0).clamp(min=1e-3) * one_MF.shape[1] ** 0.5
    one_MF, other_NF = one_MF / scale_F, other_NF / scale_F
    within = (
        torch.cdist(each, each).sum() / (len(each) * (len(each) - 1)) for each in (one_MF, other_NF)
    )
    return float(2 * torch.cdist(one_MF, other_NF).mean() - sum(within))


def _labelled(real: Stretches, made: Stretches) -> Labelled:
    """Real and made-up by turns, so that a part of the batch has both."""
    both = ((real.items_BT, made.items_BT), (real.begins_BT, made.begins_BT))
    joined = (
        torch.stack(pair, dim=1).flatten(0, 1) for pair in (*both, (real.has_BT, made.has_BT))
    )
    return Labelled(Stretches(*joined), torch.tensor([True, False]).repeat(len(real)))
