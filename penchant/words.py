"""Words of titles, descriptions and queries: one tokenizer for families, tags and search.

Letters are folded: upper and lower case, full and half width, accents. Scripts that write without
spaces between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) give pairs of
neighbouring characters, as Lucene's CJKAnalyzer does: a dictionary knows no product names.
"""

import re
import unicodedata
from itertools import pairwise

ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic letters
FULL_WIDTH = "".join(map(chr, range(0xFF01, 0xFF5F))) + "\u3000"
HALF_WIDTH = "".join(map(chr, range(0x21, 0x7F))) + " "
# a character with the marks above and below it, such as a Thai vowel
_MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3"
)
_WITHOUT_SPACES = (
    "\u0e01-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f"
)
_RUN = re.compile(f"[{_WITHOUT_SPACES}]+")
_CHARACTER = re.compile(f"[{_WITHOUT_SPACES}][{_MARKS}]*")
# marks of Indic scripts belong to their word, though `\w` doesn't match them
_WORD = re.compile("(?:\\w|[\u0900-\u0903\u093a-\u094f\u0980-\u0dff])+")


def words(text: str) -> list[str]:
    """The words of a text, folded, in order and with repeats."""
    if text.isascii():
        return _WORD.findall(text.lower())
    folded = fold(text)
    found = []
    start = 0
    for run in _RUN.finditer(folded):
        found += _WORD.findall(folded[start : run.start()])
        found += _pairs(run.group())
        start = run.end()
    return found + _WORD.findall(folded[start:])


def fold(text: str) -> str:
    """The text without differences of case, width and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", ACCENTS.sub("", apart))


def _pairs(run: str) -> list[str]:
    """Pairs of neighbouring characters; a single one is a word."""
    characters = _CHARACTER.findall(run)
    if len(characters) < 2:
        return characters
    return [first + second for first, second in pairwise(characters)]
