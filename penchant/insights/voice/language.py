"""The language of a text, by its script and its function words.

A text whose script several languages share gets the language whose function words it has most of.
A text without any gets that of the other texts that have its words (naive Bayes), else none.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log
from pathlib import Path

import yaml

from penchant.words import fold, words

UNKNOWN = "und"  # ISO 639-2 for undetermined
SURE = 3.0  # log odds over the next language, for a text without function words

_LISTS = yaml.safe_load(Path(__file__).with_name("function_words.yml").read_text("utf-8"))
FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(fold(listed).split())
    for language, listed in _LISTS["function_words"].items()
}
DETERMINERS: dict[str, frozenset[str]] = {
    language: frozenset(listed.split()) for language, listed in _LISTS["determiners"].items()
}
"""A noun often follows these."""

_SCRIPTS = {
    "ja": re.compile("[\u3041-\u30ff\u31f0-\u31ff]"),
    "ko": re.compile("[\u1100-\u11ff\uac00-\ud7a3]"),
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff]"),
    "th": re.compile("[\u0e01-\u0e5b]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "he": re.compile("[\u05d0-\u05ea]"),
    "ar": re.compile("[\u0621-\u06ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
}
_SCRIPT_SHARE = 0.2  # of a text's letters: a Japanese text has Latin names, a Latin one no kana
_EMPTY = {language: frozenset(listed) for language, listed in _LISTS["characters"].items()}
"""Characters of function words: a pair with one of them is no aspect."""


def languages_of(texts: Sequence[str]) -> list[str]:
    """The language of each text: ISO 639-1, or ``und`` where nothing tells."""
    tokens = [words(text) for text in texts]
    found = [_language(text, own) for text, own in zip(texts, tokens, strict=True)]
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for language, own in zip(found, tokens, strict=True):
        if language in FUNCTION_WORDS:
            seen[language].update(set(own))
    return [
        _nearest(own, seen) if language == UNKNOWN and own else language
        for language, own in zip(found, tokens, strict=True)
    ]


def is_content(word: str, language: str) -> bool:
    """Whether a word means something by itself: no function word, number or single letter."""
    if word.isnumeric() or word in FUNCTION_WORDS.get(language, ()):
        return False
    if language == "ja":  # particles and endings are hiragana, nouns kanji and katakana
        return len(word) > 1 and not any("\u3041" <= letter <= "\u309f" for letter in word)
    if language in _EMPTY:
        return len(word) > 1 and not _EMPTY[language].intersection(word)
    return len(word) > 1


def _language(text: str, tokens: Sequence[str]) -> str:
    letters = sum(unicodedata.category(letter)[0] == "L" for letter in text)
    for language, script in _SCRIPTS.items():
        if letters and len(script.findall(text)) >= _SCRIPT_SHARE * letters:
            return language
    counts = Counter(
        {name: sum(token in listed for token in tokens) for name, listed in FUNCTION_WORDS.items()}
    )
    (first, most), (_, second) = counts.most_common(2)
    return first if most > second else UNKNOWN


def _nearest(tokens: Sequence[str], seen: dict[str, Counter[str]]) -> str:
    if not any(token in counts for token in tokens for counts in seen.values()):
        return UNKNOWN
    scores = {}
    for language, counts in seen.items():
        total = counts.total() + 1000
        scores[language] = sum(log((counts[token] + 0.5) / total) for token in tokens)
    if len(scores) == 1:
        return next(iter(scores))
    best, second = sorted(scores.values(), reverse=True)[:2]
    return max(scores, key=lambda name: scores[name]) if best - second >= SURE else UNKNOWN
