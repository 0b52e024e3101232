"""Aspects: what sentences are about, by category and item, and how customers feel about it.

A term is an aspect if it stands where a noun stands: after a determiner and before a function word
or the sentence's end; where a language has no determiners, any content word counts. Pairs of words
are aspects if they occur together more often than by chance (normalized pointwise mutual
information). Words of an item's own title and category are what is reviewed, no aspect of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.insights.voice.language import DETERMINERS, FUNCTION_WORDS, is_content
from penchant.insights.voice.reviews import Reviews, Sentence

LEAST_REVIEWS = 5  # of an aspect of a category, or of the shop
LEAST_OF_ITEM = 3
MOST_ASPECTS = 20  # of a category; of an item, see MOST_OF_ITEM
MOST_OF_ITEM = 8
NOUN_SHARE = 0.15  # of a term's occurrences that stand where a noun stands
PAIR_NPMI = 0.3
RECENT = 3  # months that the trend compares with those before
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mention:
    """``place``: of the sentence."""

    place: int
    language: str
    term: str


def mentions(
    reviews: Reviews, said: Sequence[Sentence], names: Mapping[str, frozenset[str]]
) -> list[Mention]:
    """``names``: the words of an item's title and category, by item."""
    by_language: defaultdict[str, list[int]] = defaultdict(list)
    for place, sentence in enumerate(said):
        by_language[reviews.languages[sentence.review]].append(place)
    found = []
    for language, places in by_language.items():
        nouns = _nouns(said, places, language)
        pairs = _pairs(said, places, language, nouns)
        for place in places:
            sentence = said[place]
            own = names.get(reviews.item_ids[sentence.review], frozenset())
            found += [
                Mention(place, language, term) for term in _terms(sentence, nouns, pairs, own)
            ]
    return found


def aspect_rows(
    reviews: Reviews, said: Sequence[Sentence], found: Sequence[Mention], liked_S: Floats
) -> list[dict[str, Any]]:
    """A row per aspect of the shop, of each category and of each item, most reviews first.

    ``liked_S``: probability that each sentence is favourable.
    """
    of_node: defaultdict[tuple[str, str, str], defaultdict[str, list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for each in found:
        review = said[each.place].review
        for level, name in (
            ("shop", ""),
            ("category", reviews.category[review]),
            ("item", reviews.item_ids[review]),
        ):
            if name is not None:
                of_node[level, name, each.language][each.term].append(each.place)
    months = reviews.months()
    recent = frozenset(sorted(set(months))[-RECENT:])
    rows = []
    for (level, name, language), places_of in sorted(of_node.items()):
        least, most = (
            (LEAST_OF_ITEM, MOST_OF_ITEM) if level == "item" else (LEAST_REVIEWS, MOST_ASPECTS)
        )
        counted = {
            term: len({said[place].review for place in places})
            for term, places in places_of.items()
        }
        kept = sorted(term for term in counted if counted[term] >= least)
        kept = sorted(_without_parts(kept, counted), key=lambda term: (-counted[term], term))
        for term in kept[:most]:
            rows.append(
                {
                    "level": level,
                    "name": name or None,
                    "language": language,
                    "aspect": term,
                    "reviews": counted[term],
                    **_facts(reviews, said, places_of[term], liked_S, months, recent),
                }
            )
    return rows


def _facts(
    reviews: Reviews,
    said: Sequence[Sentence],
    places: Sequence[int],
    liked_S: Floats,
    months: Sequence[str],
    recent: frozenset[str],
) -> dict[str, Any]:
    of_month: defaultdict[str, list[float]] = defaultdict(list)
    for place in places:
        of_month[months[said[place].review]].append(float(liked_S[place]))
    lately = [value for month, values in of_month.items() if month in recent for value in values]
    before = [value for month, vs in of_month.items() if month not in recent for value in vs]
    enough = min(len(lately), len(before)) >= LEAST_REVIEWS
    favourable = [place for place in places if liked_S[place] >= 0.5]
    return {
        "sentiment": float(liked_S[list(places)].mean()),
        "favourable": len(favourable) / len(places),
        "trend": float(np.mean(lately) - np.mean(before)) if enough else None,
        "months": [
            {"month": month, "mentions": len(values), "sentiment": float(np.mean(values))}
            for month, values in sorted(of_month.items())
        ],
        "quotes": [
            _quote(reviews, said[place], float(liked_S[place]))
            for side in (favourable, [place for place in places if liked_S[place] < 0.5])
            if side
            for place in [_representative(said, side)]
        ],
    }


def _quote(reviews: Reviews, sentence: Sentence, liked: float) -> dict[str, Any]:
    row = sentence.review
    return {
        "user_id": reviews.user_ids[row],
        "item_id": reviews.item_ids[row],
        "reviewed_at": reviews.reviewed_at[row],
        "text": sentence.text,
        "sentiment": liked,
    }


def _representative(said: Sequence[Sentence], places: Sequence[int]) -> int:
    """The sentence whose words the others share most, by the word: a long one has no advantage."""
    shared = Counter(word for place in places for word in set(said[place].tokens))
    return max(
        places,
        key=lambda place: (
            sum(shared[word] for word in set(said[place].tokens)) / (3 + len(said[place].tokens)),
            -place,
        ),
    )


def _nouns(said: Sequence[Sentence], places: Sequence[int], language: str) -> frozenset[str]:
    determiners, function = DETERMINERS.get(language), FUNCTION_WORDS.get(language, frozenset())
    seen: Counter[str] = Counter()
    as_noun: Counter[str] = Counter()
    for place in places:
        tokens = said[place].tokens
        for at, word in enumerate(tokens):
            if is_content(word, language):
                seen[word] += 1
                ends = at + 1 == len(tokens) or tokens[at + 1] in function
                after = determiners is None or bool(determiners.intersection(tokens[at - 1 : at]))
                as_noun[word] += (ends and after) or determiners is None
    return frozenset(
        word
        for word, count in seen.items()
        if as_noun[word] >= 2 and as_noun[word] >= NOUN_SHARE * count
    )


def _pairs(
    said: Sequence[Sentence], places: Sequence[int], language: str, nouns: frozenset[str]
) -> frozenset[tuple[str, str]]:
    """Two words of which the second is a noun. Not of scripts without spaces: their words are pairs
    of characters already."""
    if language in ("zh", "ja", "ko", "th"):
        return frozenset()
    single: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for place in places:
        single.update(said[place].tokens)
        together.update(pairwise(said[place].tokens))
    total = single.total()
    return frozenset(
        (first, second)
        for (first, second), count in together.items()
        if count >= LEAST_REVIEWS
        and second in nouns
        and first in nouns
        and log(count * total / (single[first] * single[second])) >= -PAIR_NPMI * log(count / total)
    )


def _terms(
    sentence: Sentence,
    nouns: frozenset[str],
    pairs: frozenset[tuple[str, str]],
    own: frozenset[str],
) -> Iterator[str]:
    tokens = sentence.tokens
    yield from {word for word in tokens if word in nouns and word not in own}
    for first, second in set(pairwise(tokens)):
        if (first, second) in pairs and not own.intersection((first, second)):
            yield f"{first} {second}"


def _without_parts(terms: Sequence[str], counted: Mapping[str, int]) -> Iterator[str]:
    """Without a word that mostly occurs as part of a kept pair."""
    most_in_pair: Counter[str] = Counter()
    for term in terms:
        for word in term.split(" ") if " " in term else ():
            most_in_pair[word] = max(most_in_pair[word], counted[term])
    return (term for term in terms if most_in_pair[term] < 0.7 * counted[term])
