"""Tags are recovered from planted words and buyers, each alone and both together."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from penchant.errors import DataError
from training.data.histories import Histories, starts
from training.data.tags import Tags, TagScores, score_tags, users_of, words_of
from training.evaluation.tags import evaluated, held_out, hits

ITEMS, USERS, KINDS = 120, 90, 3


def catalogue(**columns: list[Any]) -> pa.Table:
    kinds = ("Tea", "Soap", "Rope")
    given: dict[str, Any] = {
        "item_id": [f"i{item:03}" for item in range(ITEMS)],
        "title": [f"{kinds[item % KINDS]} {'abc'[item % KINDS]}{item}" for item in range(ITEMS)],
        "category_3": [kinds[item % KINDS] for item in range(ITEMS)],
    }
    return pa.table(given | columns)


@pytest.fixture
def histories() -> Histories:
    """User u buys of items i with i % KINDS = u % KINDS."""
    random = np.random.default_rng(0)
    bought = [random.choice(np.arange(user % KINDS, ITEMS, KINDS), 15) for user in range(USERS)]
    items_N = np.concatenate(bought).astype(np.int32)
    return Histories(
        np.arange(USERS),
        starts(np.full(USERS, 15)),
        items_N,
        np.zeros(len(items_N), np.int64),
        np.ones(len(items_N), np.float32),
        ITEMS,
        1,
    )


def figures(items: pa.Table, histories: Histories, hidden: bool = False) -> dict[str, Any]:
    tags = Tags.of(items, "category_3")
    held_N = held_out(tags, histories, seed=0)[:60]
    spaces = words_of(items, hidden), users_of(histories)
    scores = TagScores(*(score_tags(space, tags, held_N) for space in spaces))
    return evaluated(scores, tags, held_N, seed=0)


def test_words_and_users_each_recover_the_tag(histories: Histories) -> None:
    found = figures(catalogue(), histories)
    for way in ("both", "words", "users"):
        assert found[way]["precision@1"]["low"] > 0.9, way
    assert found["most common"]["precision@1"]["high"] < 0.7


def test_hidden_tag_names_leave_users_to_recover_the_tag(histories: Histories) -> None:
    found = figures(catalogue(), histories, hidden=True)
    assert found["words"]["precision@1"]["high"] < 0.7
    assert found["users"]["precision@1"]["low"] > 0.9
    assert found["both"]["precision@1"]["low"] > 0.9


def test_item_is_not_its_own_neighbour(histories: Histories) -> None:
    items = catalogue(category_3=["Tea"] + ["Rope"] * (ITEMS - 1))
    tags = Tags.of(items, "category_3")
    spaces = words_of(items), users_of(histories)
    scores = TagScores(*(score_tags(space, tags, np.array([0])) for space in spaces))
    assert scores.joined(0.5)[0].argmax() == tags.names_C.index("Rope")


def test_catalogue_without_text_uses_users_alone(histories: Histories) -> None:
    items = catalogue(title=[""] * ITEMS)
    assert words_of(items).shape == (ITEMS, 0)
    found = figures(items, histories)
    assert found["both"]["precision@1"]["low"] > 0.9


def test_unknown_item_gets_the_most_common_tag_first() -> None:
    nothing = np.zeros((1, 3), np.float32)
    assert hits(nothing, np.array([1]), np.array([2, 5, 1])).tolist() == [[1, 1]]


@pytest.mark.parametrize("column", [[None] * ITEMS, [f"only {item}" for item in range(ITEMS)]])
def test_rejects_catalogue_without_shared_tags(
    column: list[str | None], histories: Histories
) -> None:
    items = catalogue(category_3=pa.array(column, pa.string()))
    with pytest.raises(DataError, match="there is nothing to"):
        held_out(Tags.of(items, "category_3"), histories, seed=0)


def test_rows_of_both_spaces_have_norm_1_or_0(histories: Histories) -> None:
    for space in (words_of(catalogue()), users_of(histories)):
        assert isinstance(space, sp.csr_matrix)
        lengths = np.sqrt(space.multiply(space).sum(axis=1))
        assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
