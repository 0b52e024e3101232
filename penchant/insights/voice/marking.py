"""Reviews that are copies or advertising: they count nowhere else.

Near-duplicates are found by MinHash over three-word shingles with banding (Broder, 1997; Leskovec,
Rajaraman and Ullman, chapter 3), then by the exact Jaccard similarity.
"""

import re
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

HASHES, BANDS = 64, 16
SHINGLE = 3  # words
SIMILAR = 0.8  # Jaccard similarity of the shingles of two copies
LEAST_WORDS = 12  # in shorter texts, copies are chance
LEAST_DIFFERENT = 0.4  # share of a text's words that differ from those before
PRIME = (1 << 31) - 1
_CONTACT = re.compile(
    r"https?://|www\.|\b[\w.+-]+@[\w-]+\.\w{2,}|\b(?:whatsapp|telegram|wechat)\b|\+\d[\d ()-]{8,}",
    re.IGNORECASE,
)


def copies(tokens: Sequence[Sequence[str]]) -> npt.NDArray[np.int64]:
    """For each text the row of the first one that it nearly repeats, else -1."""
    original_R = np.full(len(tokens), -1, np.int64)
    shingles = [_shingles(words) if len(words) >= LEAST_WORDS else frozenset() for words in tokens]
    random = np.random.default_rng(0)
    factor_H, shift_H = random.integers(1, PRIME, (2, HASHES))
    buckets: dict[tuple[int, bytes], list[int]] = {}
    for row, own in enumerate(shingles):
        if not own:
            continue
        hashes_S = np.fromiter(own, np.int64, len(own))
        signature_H = ((hashes_S[:, None] * factor_H + shift_H) % PRIME).min(axis=0)
        keys = [(band, part.tobytes()) for band, part in enumerate(np.split(signature_H, BANDS))]
        earlier = sorted({other for key in keys for other in buckets.get(key, ())})
        original_R[row] = next(
            (o for o in earlier if len(own & shingles[o]) >= SIMILAR * len(own | shingles[o])), -1
        )
        if original_R[row] < 0:
            for key in keys:
                buckets.setdefault(key, []).append(row)
    return original_R


def is_advertising(text: str, tokens: Sequence[str]) -> bool:
    """Whether it has an address to contact, or repeats the same words."""
    repeats = len(tokens) >= LEAST_WORDS and len(set(tokens)) < LEAST_DIFFERENT * len(tokens)
    return repeats or _CONTACT.search(text) is not None


def _shingles(words: Sequence[str]) -> frozenset[int]:
    """Hashes below 2**31 - 1, so that a product with a factor stays within 64 bits."""
    return frozenset(
        zlib.crc32(" ".join(words[at : at + SHINGLE]).encode()) % PRIME
        for at in range(len(words) - SHINGLE + 1)
    )
