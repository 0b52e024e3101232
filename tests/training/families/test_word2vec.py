"""The update written by hand is the gradient of the loss, pair by pair."""

import numpy as np
import torch

from training.data.histories import DAY, Histories
from training.families.word2vec import BLOCK, Config, new_tables, read_corpus, update
from training.fitting.context import TrainingContext

WINDOW, ITEMS = 2, 6


def histories() -> Histories:
    """Two users of 20 events; every third event is a month after the one before."""
    lengths_U = np.array([20, 20])
    days_N = np.concatenate([np.arange(n) + 30 * (np.arange(n) // 3) for n in lengths_U])
    items_N = np.random.default_rng(0).integers(ITEMS, size=40).astype(np.int32)
    starts_U1 = np.array([0, 20, 40])
    return Histories(
        np.arange(2), starts_U1, items_N, days_N * DAY, np.ones(40, np.float32), ITEMS, 1000 * DAY
    )


def pairs(known: Histories, days: float) -> list[tuple[int, int, float]]:
    """Centre, neighbour and weight, by going through all events."""
    found = []
    for centre in range(BLOCK):
        for other in range(max(0, centre - WINDOW), min(40, centre + WINDOW + 1)):
            apart = abs(int(known.times_N[centre] - known.times_N[other])) / DAY
            if other == centre or known.rows_N[other] != known.rows_N[centre] or apart > days:
                continue
            weight = (WINDOW - abs(centre - other) + 1) / WINDOW
            found.append((int(known.items_N[centre]), int(known.items_N[other]), weight))
    return found


def test_step_follows_gradient_of_loss(context: TrainingContext) -> None:
    known = histories()
    config = Config(dimensions=4, window=WINDOW, window_days=7.0, learning_rate=0.1)
    corpus = read_corpus(known, WINDOW, config.window_days, context.device)
    tables = new_tables(ITEMS, config.dimensions, context)
    tables.outputs_ID.normal_(generator=torch.Generator().manual_seed(1))
    negatives_K = torch.randint(ITEMS, (BLOCK,), generator=torch.Generator().manual_seed(2))
    inputs_ID = tables.inputs_ID.clone().requires_grad_()
    products_II = inputs_ID @ tables.outputs_ID.clone().T
    loss = torch.zeros(())
    for centre, other, weight in pairs(known, config.window_days):
        loss = loss - weight * torch.nn.functional.logsigmoid(products_II[centre, other])
        against_K = torch.nn.functional.logsigmoid(-products_II[centre, negatives_K])
        loss = loss - weight * config.negatives * against_K.mean()
    loss.backward()
    before_ID = tables.inputs_ID.clone()
    update(tables, corpus, corpus.items_P, torch.tensor([0]), negatives_K[None], config)
    scale_I1 = config.learning_rate * tables.input_squares_I.clamp(min=1e-30).rsqrt()[:, None]
    torch.testing.assert_close(before_ID - tables.inputs_ID, scale_I1 * inputs_ID.grad)


def test_neighbours_are_of_same_user(context: TrainingContext) -> None:
    corpus = read_corpus(histories(), WINDOW, 1000.0, context.device)
    last, first = WINDOW + 19, WINDOW + 20
    assert corpus.right_P[last] == 0 and corpus.left_P[first] == 0
    assert corpus.left_P[last] == WINDOW and corpus.right_P[first] == WINDOW
