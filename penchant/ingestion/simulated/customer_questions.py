"""Questions of users about items that they view, in their language; the shop answered most.

A question is about an aspect that reviews speak of. Whether a view leads to a question depends on
the event's id alone, so that nothing else in the simulated shop depends on questions.
"""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from penchant.ingestion.simulated.review_sentences import ASPECTS, name_of
from penchant.ingestion.simulated.review_texts import language_of, quality_of

ASKED, ANSWERED, GUESTS = 0.02, 0.6, 0.2  # shares: of views, of questions, of questions
QUESTIONS = {
    "en": (
        "What is the {} like?",
        "Is the {} any good?",
        "Can anybody tell me about the {}?",
        "Does the {} match the description?",
    ),
    "zh": ("{}怎么样?", "请问{}好不好?", "有人知道{}如何吗?", "{}跟描述一致吗?"),
    "ja": (
        "{}はどうですか?",
        "{}は良いですか?",
        "{}について教えてください。",
        "{}は写真と同じですか?",
    ),
}
ANSWERS = {
    "en": ("Some customers find the {} disappointing.", "Most customers praise the {}."),
    "zh": ("部分顾客对{}不太满意。", "大多数顾客称赞{}。"),
    "ja": ("{}に満足していないお客様もいます。", "多くのお客様が{}を褒めています。"),
}
"""Of an item whose aspect is worse, and better, than usual."""


def question_rows(events: Sequence[dict], department_of: Mapping[str, str]) -> list[dict]:
    """Rows of ``questions``, by time. ``events``: with ids, by time."""
    rows: list[dict] = []
    for event in events:
        if event["event_type"] != "view":
            continue
        rng = np.random.default_rng(zlib.crc32(event["event_id"].encode()))
        if rng.random() >= ASKED:
            continue
        user, item = event["user_id"], event["item_id"]
        language = language_of(user)
        aspect = str(rng.choice(ASPECTS[department_of[item]]))
        answer = ANSWERS[language][int(quality_of(item, aspect) > 0)]
        name = name_of(aspect, language)
        asked = str(rng.choice(QUESTIONS[language])).format(name)
        answered, guest = rng.random() < ANSWERED, rng.random() < GUESTS
        rows.append(
            {
                "question_id": f"q{len(rows):06d}",
                "user_id": None if guest else user,
                "item_id": item,
                "text": asked,
                "answer": answer.format(name) if answered else None,
                "asked_at": event["event_at"],
            }
        )
    return rows
