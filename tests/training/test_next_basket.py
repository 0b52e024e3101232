"""Next-basket data, its split and its metrics."""

import json
from pathlib import Path

import numpy as np
import pytest

from penchant.errors import DataError
from training.data.basket_table import read_baskets
from training.data.leave_one_out import leave_one_out
from training.evaluation.metrics.next_basket import evaluate_lists


def table(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_leaves_out_the_last_basket_and_validates_on_the_one_before(tmp_path: Path) -> None:
    path = table(tmp_path, {"ann": [["a"], ["b"], ["c", "d"]], "bob": [[1], [2], [3], ["a"]]})
    read = read_baskets(path)
    split = leave_one_out(read.histories)

    def items(histories):
        return [
            [read.item_ids[item] for item in histories.take(np.array([user])).items_N]
            for user in range(2)
        ]

    assert items(split.validation.targets) == [["b"], ["3"]]
    assert items(split.test.histories) == [["a", "b"], ["1", "2", "3"]]
    assert items(split.test.targets) == [["c", "d"], ["a"]]


def test_leaves_out_users_with_too_few_baskets(tmp_path: Path) -> None:
    read = read_baskets(table(tmp_path, {"one": [["a"]], "three": [["a"], ["a"], ["a"]]}))
    assert (len(read.histories), read.too_short) == (1, 1)


def test_reads_a_basket_of_a_thousand_lines(tmp_path: Path) -> None:
    long = [f"item {number % 900}" for number in range(1000)]
    read = read_baskets(table(tmp_path, {"u": [long, long, ["b"]]}))
    assert read.histories.lengths_U.tolist() == [1801]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"u": [["a"]]}, "no user has 3 baskets, the most is 1 of 1 users"),
        ({"u": [["a"], [], ["b"]]}, "user 'u', basket 2: the basket is empty"),
        ({"u": [["a"], "b", ["c"]]}, "user 'u', basket 2: \"b\" is not a list of items"),
        ({"u": [["a"], ["b", 1.5], ["c"]]}, "user 'u', basket 2, item 2: 1.5 is not an item id"),
        ({"u": [[-1], ["b"], ["c"]]}, "basket 1, item 1: -1 is not an item id"),
        ({"u": "a"}, "user 'u': \"a\" is not a list of baskets"),
        ([["a"]], '[["a"]] is not a JSON object'),
        ('{"u": [["a"],\n ["b"', "line 2, column 6: malformed JSON"),
        ('{"u": [["a"]], "u": [["b"]]}', "user 'u' is there twice"),
        ({}, "no user has 3 baskets, the most is 0 of 0 users"),
    ],
)
def test_rejects_other_forms_with_their_place(
    tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(DataError) as error:
        read_baskets(table(tmp_path, content))
    assert message in str(error.value)


def test_counts_repeat_and_explore_items_apart(tmp_path: Path) -> None:
    # ann had a and b; her last basket repeats a and explores c and d
    read = read_baskets(table(tmp_path, {"ann": [["a"], ["b"], ["a", "c", "d"]]}))
    window = leave_one_out(read.histories).test
    rows = [read.item_ids.index(item) for item in ("a", "b", "c")]
    found = evaluate_lists(np.array([rows]), window)
    values = {name: part.values["recall@10"].tolist() for name, part in found.items()}
    assert values == {"all": [2 / 3], "repeat": [1.0], "explore": [0.5]}
    assert found["repeat"].values["ndcg@10"].tolist() == [1.0]
    ideal = 1 + 1 / np.log2(3)
    assert found["explore"].values["ndcg@10"].tolist() == pytest.approx([0.5 / ideal])
    assert found["all"].values["phr@10"].tolist() == [1.0]
