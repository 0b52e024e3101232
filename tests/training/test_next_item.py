"""What the next-item families owe each other's machinery: who reads what, and nothing else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from training.data.histories import DAY, Histories, starts
from training.families.hstu import Elapsed
from training.fitting.factory import default_config, make
from training.layers.sequences.inputs import padded_details, padded_histories
from training.layers.sequences.next_item import NextItem
from training.layers.sequences.windows import TOKEN

CAUSAL = ("rnn", "gru", "lstm", "sasrec", "hstu")
FAMILIES = (*CAUSAL, "bert4rec")
ITEMS = 12


def untrained(family: str, **learning: Any) -> NextItem:
    """Weights at random, and only the encoder's state: what it read shows in it."""
    torch.manual_seed(0)
    config: Any = default_config(family)
    changed = {"learning": replace(config.learning, min_events=1, sum_weight=0.0, **learning)}
    if family == "hstu":
        changed["repeat"] = None
    model = make(family, replace(config, **changed))
    assert isinstance(model, NextItem)
    tags_IK, types = torch.zeros(ITEMS, 1, dtype=torch.long), model.learning.every_type
    model.network = model._network(ITEMS + 1, tags_IK, types)
    model.network.row_I.copy_(torch.arange(ITEMS) + 1)
    for table in (model.network.embedding, model.network.types, model.network.gaps):
        if table is not None:
            torch.nn.init.normal_(table.weight)
    model.network.eval()
    return model


def histories(*items: list[int]) -> Histories:
    lengths_U = np.array([len(one) for one in items])
    events = np.concatenate([np.array(one, np.int32) for one in items])
    times_N = np.arange(len(events)) * DAY
    weights_N = np.ones(len(events), np.float32)
    users_U, end = np.arange(len(items)), (len(events) + 1) * DAY
    return Histories(users_U, starts(lengths_U), events, times_N, weights_N, ITEMS, end)


@pytest.mark.parametrize("family", FAMILIES)
def test_user_vector_does_not_depend_on_batch(family: str) -> None:
    model, short = untrained(family), [3, 1, 2]
    together_BD = model.user_vectors(histories(short, [5, 6, 7, 8, 9, 1, 4], []))
    torch.testing.assert_close(together_BD[:1], model.user_vectors(histories(short)))
    torch.testing.assert_close(together_BD[2:], model.user_vectors(histories([])))


@pytest.mark.parametrize("family", FAMILIES)
def test_last_state_equals_that_of_a_pass_over_all_positions(family: str) -> None:
    network = untrained(family).network
    network.config = replace(network.config, sum_weight=1.0)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    batch, token_last = histories([3, 1, 2], [5, 6, 7, 8, 9, 1, 4], []), family == "bert4rec"
    read_BT, lengths_B = padded_histories(batch, token_last)
    details = padded_details(batch, token_last)
    with torch.no_grad():
        every_BTD = network(read_BT, lengths_B, details)
        last_BD = network.last(read_BT, lengths_B, details)
    torch.testing.assert_close(last_BD, every_BTD[torch.arange(3), lengths_B - 1])


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_products_of_vectors(family: str) -> None:
    model = untrained(family)
    model.network.row_I[ITEMS // 2 :] = 0
    torch.nn.init.normal_(model.network.bias_I)
    batch = histories([3, 1, 2], [])
    scores_BI = model.user_vectors(batch) @ model.item_vectors().T
    torch.testing.assert_close(model.scores(batch), scores_BI)


@pytest.mark.parametrize("family", FAMILIES)
def test_user_vector_depends_on_order_and_every_item(family: str) -> None:
    model = untrained(family)
    vectors_BD = model.user_vectors(histories([3, 1, 2], [1, 3, 2], [4, 1, 2], [3, 1, 4]))
    assert torch.pdist(vectors_BD).min() > 1e-4


@pytest.mark.parametrize("family", ("sasrec", "bert4rec", "hstu"))
def test_user_vector_depends_on_event_types_and_times(family: str) -> None:
    model = untrained(family, every_type=True, gaps=True)
    bought = histories([3], [3], [3])
    viewed = replace(
        histories([1, 2], [1, 2], [1, 2]),
        times_N=bought.times_N.repeat(2) + np.array([1, 2, 1, 2, 1, 9]) * 3600,
        end=bought.end,
        types_N=np.array([2, 2, 1, 2, 2, 2], np.int8),
    )
    bought = replace(bought, times_N=viewed.times_N[::2] - 3600)
    vectors_BD = model.user_vectors(replace(bought, others=viewed))
    assert torch.pdist(vectors_BD).min() > 1e-4
    torch.testing.assert_close(
        model.user_vectors(replace(bought, others=viewed).take(np.array([1])))[0], vectors_BD[1]
    )


@pytest.mark.parametrize("family", CAUSAL)
def test_causal_state_ignores_later_items(family: str) -> None:
    network, lengths_B = untrained(family).network, torch.tensor([5])
    with torch.no_grad():
        one, other = (
            network(torch.tensor([[TOKEN, 3, 1, *rest]]), lengths_B) for rest in ([2, 4], [8, 9])
        )
    torch.testing.assert_close(one[:, :3], other[:, :3])
    assert not torch.allclose(one[:, 3], other[:, 3])


def test_masked_model_sees_later_items() -> None:
    network, lengths_B = untrained("bert4rec").network, torch.tensor([4])
    with torch.no_grad():
        one, other = (
            network(torch.tensor([[3, TOKEN, item, TOKEN]]), lengths_B) for item in (2, 8)
        )
    assert not torch.allclose(one[:, 1], other[:, 1])


def test_times_between_events_have_the_gradient_of_an_embedding() -> None:
    generator = torch.Generator().manual_seed(1)
    table_GH = torch.randn(5, 2, generator=generator, requires_grad=True)
    gap_BTT = torch.randint(5, (3, 4, 4), generator=generator)
    upstream_BHTT = torch.randn(3, 2, 4, 4, generator=generator)
    looked_up = Elapsed.apply(table_GH, gap_BTT)
    expected = torch.nn.functional.embedding(gap_BTT, table_GH).permute(0, 3, 1, 2)
    assert torch.equal(looked_up, expected)
    (found,) = torch.autograd.grad(looked_up, table_GH, upstream_BHTT)
    (wanted,) = torch.autograd.grad(expected, table_GH, upstream_BHTT)
    torch.testing.assert_close(found, wanted)
