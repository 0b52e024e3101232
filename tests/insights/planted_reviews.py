"""A shop whose coffee is praised for its flavour and whose lamps are blamed for their price."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penchant.artifacts import CheckResults, SnapshotDescription
from penchant.settings import Settings

SNAPSHOT = "s-20240401-0123456789ab"
AS_OF = datetime(2024, 4, 1)
SAID = {
    "en": {
        "flavour": ("The flavour is wonderful.", "The flavour is disappointing."),
        "price": ("I love the price.", "I was unhappy with the price."),
    },
    "zh": {
        "flavour": ("味道非常好。", "味道让人失望。"),
        "price": ("我很喜欢它的价格。", "我对价格不满意。"),
    },
    "ja": {
        "flavour": ("風味がとても良いです。", "風味は残念でした。"),
        "price": ("値段が気に入りました。", "値段が悪いです。"),
    },
}
ASPECT_OF = {"Grocery": "flavour", "Home": "price"}
ITEMS: list[dict[str, Any]] = [
    {
        "item_id": f"{kind}{number}",
        "title": f"{kind} {number}",
        "description": f"{kind} for every day. Wash it by hand.",
        "category_1": category,
    }
    for kind, category in (("coffee", "Grocery"), ("lamp", "Home"))
    for number in range(4)
]


QUESTIONS: list[dict[str, Any]] = [
    {"question_id": "q1", "user_id": "u1", "item_id": "lamp1", "text": "Which bulb does it take?"}
    | {"answer": "An E27 of at most 40 W."},
    {"question_id": "q2", "user_id": None, "item_id": None, "text": "Do you ship to Norway?"}
    | {"answer": "Yes, within a week."},
    {"question_id": "q3", "user_id": None, "item_id": "lamp1", "text": "Is the price fair?"}
    | {"answer": None},
    {"question_id": "q4", "user_id": None, "item_id": "lamp2", "text": "Quantum chromodynamics?"}
    | {"answer": " "},
]


def planted_reviews(count: int = 600) -> list[dict[str, Any]]:
    """Coffee has mostly five stars, lamps one; a tenth of the texts is the other way round."""
    random = np.random.default_rng(5)
    rows = []
    for number in range(count):
        item = ITEMS[number % len(ITEMS)]
        user = int(random.integers(150))
        language = ("en", "en", "zh", "ja")[user % 4]
        good = (item["category_1"] == "Grocery") != (random.random() < 0.1)
        text = SAID[language][ASPECT_OF[item["category_1"]]][int(not good)]
        rows.append(reviewed(user, item["item_id"], 5.0 if good else 1.0, text, number))
    return rows


def reviewed(
    user: int, item_id: str, rating: float, text: str | None, number: int
) -> dict[str, Any]:
    """``number``: makes the time, within 200 days."""
    at = AS_OF - timedelta(days=1 + number % 200, minutes=number)
    return {
        "user_id": f"u{user}",
        "item_id": item_id,
        "rating": rating,
        "text": text,
        "reviewed_at": at,
    }


def write_shop(settings: Settings, rows: list[dict[str, Any]]) -> str:
    """A live snapshot with the marts of items and reviews."""
    folder = settings.snapshots / SNAPSHOT
    (folder / "marts").mkdir(parents=True)
    schema = pa.schema(
        [
            ("user_id", pa.string()),
            ("item_id", pa.string()),
            ("rating", pa.float64()),
            ("text", pa.string()),
            ("reviewed_at", pa.timestamp("us")),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / "marts" / "reviews.parquet")
    asked = [row | {"asked_at": AS_OF - timedelta(days=9)} for row in QUESTIONS]
    pq.write_table(pa.Table.from_pylist(asked), folder / "marts" / "questions.parquet")
    pq.write_table(pa.Table.from_pylist(ITEMS), folder / "marts" / "items.parquet")
    SnapshotDescription(id=SNAPSHOT, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=SNAPSHOT, passed=True).write(folder / "checks.json")
    settings.live_snapshot.flip(SNAPSHOT)
    return SNAPSHOT
