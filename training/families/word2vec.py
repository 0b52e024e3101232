"""Skip-gram with negative sampling over what a user did: word2vec (Mikolov et al. 2013) on
items, as item2vec (Barkan & Koenigstein 2016).

What differs from the papers, each for speed at the same counts of pairs and negatives:

* The unit of work is a block of consecutive events, whose windows overlap: one matrix product
  scores all its pairs, and one more for each gradient, written by hand.
* Negatives are drawn for a block and serve all its events; their weight compensates for the number.
* A neighbour at distance d counts by the chance (window - d + 1) / window with which the paper's
  random window would hold it, instead of being drawn.
* Steps are scaled by AdaGrad, one sum of squares a row (Duchi et al. 2011): in a large batch a
  popular item gets the sum of hundreds of gradients, which plain descent overshoots by.

The two vectors of an item are added, and the sums decorrelated (user_profile.py). In the main job
user profiles have a fixed length, so that popularity has the same weight for short and long
histories. On Complete Journey that had an NDCG@10 of .218, and profiles that grow with the history
one of .196 at most (200 users of validation, the 8,000 items bought most).

A basket has no order, so it is shuffled at each epoch; window and days bound what is a neighbour.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from training.data.histories import DAY, Histories
from training.fitting.context import TrainingContext
from training.layers.adagrad import adagrad_step
from training.layers.user_profile import UserProfileFamily

BLOCK = 16  # events whose windows are one product; also the negatives that they share
BLOCKS_A_STEP = 256


@dataclass(frozen=True)
class Config:
    """``window``: events to each side, none of them further than ``window_days``. ``negatives``:
    of each positive, drawn by count ** ``flattening``. ``decorrelation``: see
    ``user_profile.decorrelated``. ``half_life_days`` of a user's events. ``popularity_weight`` of
    the logarithm of an item's share: one beside profiles that grow with the history, or several to
    tune on validation beside profiles of fixed length."""

    dimensions: int = 128
    window: int = 5
    window_days: float = 7.0
    negatives: float = 5.0
    flattening: float = 0.75
    epochs: int = 2
    learning_rate: float = 0.5
    decorrelation: float = 1.0
    half_life_days: float = 120.0
    popularity_weight: float | tuple[float, ...] = (1.0, 0.5)


@dataclass(frozen=True)
class Corpus:
    """All events in a row, blocks of them at a time, with ``window`` empty places at both ends.

    ``left_P`` and ``right_P``: how many events to each side are neighbours of the one at a place.
    ``baskets_N``: number of each event's basket.
    """

    items_P: torch.Tensor
    left_P: torch.Tensor
    right_P: torch.Tensor
    baskets_N: np.ndarray
    counts_I: torch.Tensor
    window: int

    @property
    def blocks(self) -> int:
        return (len(self.items_P) - 2 * self.window) // BLOCK

    def shuffled(self, random: np.random.Generator) -> torch.Tensor:
        """items_P with each basket in a new order."""
        order_N = np.argsort(self.baskets_N + random.random(len(self.baskets_N)))
        inside = slice(self.window, self.window + len(order_N))
        items_P = self.items_P.clone()
        items_P[inside] = self.items_P[inside][torch.from_numpy(order_N).to(items_P.device)]
        return items_P


@dataclass(frozen=True)
class Tables:
    """What is learned: ``inputs_ID`` of an item as a centre, ``outputs_ID`` as a
    neighbour, and the sums of squared gradients of each row."""

    inputs_ID: torch.Tensor
    outputs_ID: torch.Tensor
    input_squares_I: torch.Tensor
    output_squares_I: torch.Tensor


def Model(config: Config) -> UserProfileFamily:
    return UserProfileFamily(config, partial(learned, config))


def learned(config: Config, train: Histories, context: TrainingContext) -> torch.Tensor:
    """vectors_ID, the sum of an item's two vectors; 0 for items of no neighbour."""
    corpus = read_corpus(train, config.window, config.window_days, context.device)
    tables = new_tables(train.item_count, config.dimensions, context)
    for number in range(config.epochs):
        epoch(tables, corpus, config, context, number)
    both_ID = (tables.inputs_ID + tables.outputs_ID).cpu()
    return both_ID * (tables.input_squares_I > 0).cpu()[:, None]


def read_corpus(histories: Histories, window: int, days: float, device: torch.device) -> Corpus:
    """The histories one after the other; no event is a neighbour of another user's."""
    users_N, times_N = histories.rows_N, histories.times_N
    left_N, right_N = np.zeros((2, len(times_N)), np.int8)
    for distance in range(1, window + 1):
        near = users_N[distance:] == users_N[:-distance]
        near &= times_N[distance:] - times_N[:-distance] <= days * DAY
        left_N[distance:] += near
        right_N[:-distance] += near
    new_basket = (np.diff(users_N) != 0) | (np.diff(times_N) != 0)

    def padded(values_N: np.ndarray) -> torch.Tensor:
        ends = (window, window + -len(values_N) % BLOCK)
        return torch.from_numpy(np.pad(values_N, ends)).to(device)

    return Corpus(
        padded(histories.items_N.astype(np.int64)),
        padded(left_N),
        padded(right_N),
        np.concatenate([[0], np.cumsum(new_basket)]),
        torch.from_numpy(histories.counts_I().astype(np.float64)).to(device),
        window,
    )


def new_tables(item_count: int, dimensions: int, context: TrainingContext) -> Tables:
    """Inputs small and random, outputs 0, as in the authors' program."""
    generator = torch.Generator().manual_seed(context.seed)
    first_ID = (torch.rand(item_count, dimensions, generator=generator) - 0.5) / dimensions
    zeros_I = torch.zeros(item_count, device=context.device)
    inputs_ID = first_ID.to(context.device)
    return Tables(inputs_ID, torch.zeros_like(inputs_ID), zeros_I, zeros_I.clone())


def epoch(
    tables: Tables, corpus: Corpus, config: Config, context: TrainingContext, number: int
) -> None:
    """One pass over all events, in place."""
    random = np.random.default_rng([context.seed, number])
    generator = torch.Generator(context.device).manual_seed(context.seed * 1_000_003 + number)
    items_P = corpus.shuffled(random)
    order = torch.from_numpy(random.permutation(corpus.blocks)).to(context.device)
    drawn = torch.multinomial(
        corpus.counts_I**config.flattening,
        corpus.blocks * BLOCK,
        replacement=True,
        generator=generator,
    ).view(corpus.blocks, BLOCK)
    for step, (blocks_S, negatives_SK) in enumerate(
        zip(order.split(BLOCKS_A_STEP), drawn.split(BLOCKS_A_STEP), strict=True)
    ):
        update(tables, corpus, items_P, blocks_S, negatives_SK, config)
        if step % 64 == 0:
            context.budget.check()


def update(
    tables: Tables,
    corpus: Corpus,
    items_P: torch.Tensor,
    blocks_S: torch.Tensor,
    negatives_SK: torch.Tensor,
    config: Config,
) -> None:
    """One step on the windows of S blocks: C centres against X places around them and K negatives.

    With y = 1 for a neighbour, 0 for a negative, and weight w, the loss of a pair is w times the
    cross entropy of sigmoid(input · output) with y, whose gradient by the product is w (s - y).
    """
    window = corpus.window
    places_SX = blocks_S[:, None] * BLOCK + torch.arange(BLOCK + 2 * window, device=items_P.device)
    centres_SC = places_SX[:, window:-window]
    weights_SCX = _weights(corpus, centres_SC)
    context_SX = items_P[places_SX]
    inputs_R = items_P[centres_SC].flatten()
    outputs_SX = torch.cat([context_SX, negatives_SK], dim=1)
    outputs_R = outputs_SX.flatten()
    shape = (len(blocks_S), -1, config.dimensions)
    inputs_SCD = tables.inputs_ID.index_select(0, inputs_R).view(shape)
    outputs_SXD = tables.outputs_ID.index_select(0, outputs_R).view(shape)
    error_SCX = torch.bmm(inputs_SCD, outputs_SXD.mT).sigmoid_()
    positive, negative = error_SCX.split([places_SX.shape[1], BLOCK], dim=2)
    positive.sub_(1).mul_(weights_SCX)
    negative.mul_(weights_SCX.sum(dim=2, keepdim=True) * (config.negatives / BLOCK))
    by_input = torch.bmm(error_SCX, outputs_SXD).flatten(0, 1)
    by_output = torch.bmm(error_SCX.mT, inputs_SCD).flatten(0, 1)
    adagrad_step(tables.inputs_ID, tables.input_squares_I, inputs_R, by_input, config.learning_rate)
    adagrad_step(
        tables.outputs_ID, tables.output_squares_I, outputs_R, by_output, config.learning_rate
    )


def _weights(corpus: Corpus, centres_SC: torch.Tensor) -> torch.Tensor:
    """weights_SCX of the places around the centres of a block; 0 where not a neighbour."""
    device, window = centres_SC.device, corpus.window
    places_X = torch.arange(-window, BLOCK + window, device=device)
    offset_CX = (places_X - torch.arange(BLOCK, device=device)[:, None]).to(torch.int8)
    falloff_CX = (1 - (offset_CX.abs() - 1) / window).clamp(min=0) * (offset_CX != 0)
    left_SC1, right_SC1 = corpus.left_P[centres_SC], corpus.right_P[centres_SC]
    near_SCX = (offset_CX >= -left_SC1[:, :, None]) & (offset_CX <= right_SC1[:, :, None])
    return near_SCX * falloff_CX
