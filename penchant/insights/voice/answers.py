"""Answers to questions: passages that somebody wrote, found by BM25 and quoted as they are.

No text is generated. A passage is a sentence of a review or a description, or the shop's answer to
an earlier question, which is found by that question's words too. Its item's title counts at half
the weight.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penchant.artifacts.voice import AnswerQuality, QuestionQuality, Recall
from penchant.insights.intervals import mean_interval
from penchant.insights.search.index import Postings, SearchIndex, postings_of
from penchant.insights.voice.language import is_content, languages_of
from penchant.insights.voice.questions import Question
from penchant.insights.voice.reviews import Reviews, Sentence, sentences
from penchant.insights.voice.sentiment import split_users
from penchant.words import words

FIELDS = {"text": 1.0, "question": 1.0, "title": 0.5}
Source = Literal["review", "description", "answer"]
REVIEW, DESCRIPTION, ANSWER = get_args(Source)
BEST = 10
Floats = npt.NDArray[np.float64]
QUESTIONS, QUESTION_WORDS, LEAST_QUESTIONS = 1000, 6, 20


@dataclass(frozen=True)
class Passage:
    """``user_id``, ``written_at``: author and time of a review; of an answer those of the
    ``question``. ``item_id``: None for an answer about the shop."""

    item_id: str | None
    text: str
    source: Source
    user_id: str | None = None
    written_at: datetime | None = None
    question: str | None = None


def passages_of(
    reviews: Reviews,
    said: Sequence[Sentence],
    descriptions: Mapping[str, str | None],
    questions: Sequence[Question] = (),
) -> list[Passage]:
    """Sentences of reviews, then of descriptions by item, then answers to questions."""
    found = [
        Passage(
            reviews.item_ids[each.review],
            each.text,
            REVIEW,
            reviews.user_ids[each.review],
            reviews.reviewed_at[each.review],
        )
        for each in said
    ]
    for item_id, description in sorted(descriptions.items()):
        found += [Passage(item_id, text, DESCRIPTION) for text in sentences(description or "")]
    return found + [
        Passage(each.item_id, answer, ANSWER, each.user_id, each.asked_at, each.text)
        for each in questions
        if (answer := (each.answer or "").strip())
    ]


def index_passages(passages: Sequence[Passage], titles: Mapping[str, str | None]) -> Postings:
    fields: dict[str, list[str | None]] = {
        "text": [passage.text for passage in passages],
        "question": [passage.question for passage in passages],
        "title": [titles.get(passage.item_id) if passage.item_id else None for passage in passages],
    }
    return postings_of(fields, FIELDS)


def question_words(question: str) -> list[str]:
    """Without function words of the question's language; all words where nothing else is left."""
    found, language = words(question), languages_of([question])[0]
    return [word for word in found if is_content(word, language)] or found


def best_passages(
    index: SearchIndex, asked: Sequence[str], most: int, among: npt.NDArray[np.bool_] | None = None
) -> list[tuple[int, float]]:
    """Rows and scores of the best passages with at least one word, among all or those given."""
    scores_P = index.scores(asked)
    if among is not None:
        scores_P = np.where(among, scores_P, 0.0)
    order = np.argsort(-scores_P, kind="stable")[:most]
    return [(int(row), float(scores_P[row])) for row in order if scores_P[row] > 0]


def answer_quality(
    reviews: Reviews,
    said: Sequence[Sentence],
    descriptions: Mapping[str, str | None],
    titles: Mapping[str, str | None],
    seed: int,
) -> AnswerQuality | None:
    """Recall on questions of six words of a test user's review, which is not in the index.

    None where less than twenty questions could be made.
    """
    test_R = split_users(reviews.user_ids)[2]
    passages = passages_of(
        reviews, [each for each in said if not test_R[each.review]], descriptions
    )
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, passage in enumerate(passages):
        rows_of[str(passage.item_id)].append(row)
    random = np.random.default_rng(seed)
    asked_of = [
        (row, content)
        for row in sorted({each.review for each in said if test_R[each.review]})
        if reviews.item_ids[row] in rows_of and (content := _content(reviews, row))
    ]
    if len(asked_of) < LEAST_QUESTIONS:
        return None
    if len(asked_of) > QUESTIONS:
        drawn = np.sort(random.choice(len(asked_of), QUESTIONS, replace=False))
        asked_of = [asked_of[place] for place in drawn]
    index = SearchIndex(index_passages(passages, titles), len(passages))
    found_Q, random_Q = np.zeros(len(asked_of)), np.zeros(len(asked_of))
    for number, (row, content) in enumerate(asked_of):
        asked = random.choice(content, min(QUESTION_WORDS, len(content)), replace=False).tolist()
        right = rows_of[reviews.item_ids[row]]
        best = best_passages(index, asked, BEST)
        found_Q[number] = bool({place for place, _ in best}.intersection(right))
        random_Q[number] = 1 - (1 - len(right) / len(passages)) ** BEST
    language_Q = np.array([reviews.languages[row] for row, _ in asked_of], object)
    return AnswerQuality(
        **_recall(found_Q, random_Q).model_dump(),
        by_language={
            language: _recall(found_Q[own_Q], random_Q[own_Q])
            for language in sorted(set(language_Q))
            for own_Q in [language_Q == language]
        },
    )


def _recall(found_Q: Floats, random_Q: Floats) -> Recall:
    return Recall(
        questions=len(found_Q), recall=mean_interval(found_Q), random=mean_interval(random_Q)
    )


def question_quality(
    questions: Sequence[Question], passages: Sequence[Passage], index: SearchIndex
) -> QuestionQuality | None:
    """None without a question about an item."""
    about = [question for question in questions if question.item_id is not None]
    if not about:
        return None
    item_P = np.array([each.item_id for each in passages], dtype=object)
    written_P = np.array([each.source != ANSWER for each in passages], bool)
    found_Q = [
        bool(
            best_passages(
                index, question_words(question.text), 1, (item_P == question.item_id) & written_P
            )
        )
        for question in about
    ]
    return QuestionQuality(
        questions=len(questions),
        without_answer=sum(not (question.answer or "").strip() for question in questions),
        answerable=mean_interval(np.array(found_Q, np.float64)),
    )


def _content(reviews: Reviews, row: int) -> list[str]:
    language = reviews.languages[row]
    return sorted({word for word in reviews.tokens[row] if is_content(word, language)})


def passages_table(passages: Sequence[Passage]) -> pa.Table:
    return pa.table(
        {
            "item_id": pa.array([each.item_id for each in passages], pa.string()),
            "text": pa.array([each.text for each in passages], pa.string()),
            "source": pa.array([each.source for each in passages], pa.string()),
            "user_id": pa.array([each.user_id for each in passages], pa.string()),
            "written_at": pa.array([each.written_at for each in passages], pa.timestamp("us")),
            "question": pa.array([each.question for each in passages], pa.string()),
        }
    )


def postings_table(postings: Postings) -> pa.Table:
    """A row per word: reviews' words are encrypted with the other tables."""
    starts = pa.array(postings.start_W1, pa.int64())
    lists = (
        pa.LargeListArray.from_arrays(starts, pa.array(values))
        for values in (postings.item_P, postings.impact_P)
    )
    return pa.table(
        [pa.array(postings.words, pa.string()), *lists], names=["word", "passages", "impacts"]
    )


def read_postings(table: pa.Table) -> Postings:
    """Of a table that ``postings_table`` made."""
    passages, impacts = (table[name].combine_chunks() for name in ("passages", "impacts"))
    lengths_W = passages.value_lengths().to_numpy()
    return Postings(
        table["word"].to_pylist(),
        np.r_[0, np.cumsum(lengths_W)].astype(np.int64),
        passages.flatten().to_numpy(),
        impacts.flatten().to_numpy(),
    )
