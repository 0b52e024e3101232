"""Events since the snapshot, in a request's columns of ``user_item_statistics``.

They count as if they had happened on the last day of the snapshot's data, which is the day that the
model's moment follows. The columns then equal those of the mart with these events, which a test
compares; prices and discounts stay, as the event log that serving follows has none.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from penchant.interactions import ItemEvent
from penchant.ranking.features import DAY, PAIR, FeatureColumn, FloatArray

PAIR_VIEW = PAIR.partition("__")[0]
COUNTED = {"view": f"{PAIR}views", "cart": f"{PAIR}carts"}
PURCHASE = "purchase"


def with_events(
    raw: Mapping[str, FloatArray],
    columns: Sequence[FeatureColumn],
    place_of: Mapping[str, int],
    events: Iterable[ItemEvent],
    moment: float,
) -> dict[str, FloatArray]:
    """The pair columns with events in them. ``raw``: by reference and feature time, over C.

    ``columns``: those of the pair view. ``place_of``: of the candidates' item ids. ``moment``: the
    end of the data, in seconds since 1970.
    """
    fresh = [
        (place_of[event.item_id], event)
        for event in events
        if event.item_id is not None and event.item_id in place_of
    ]
    if not fresh:
        return dict(raw)
    found = {name: values_C.copy() for name, values_C in raw.items()}
    day = np.ceil(moment / DAY - 1) * DAY  # midnight before the last event can have happened
    touched = np.unique([place for place, _ in fresh])
    _carry(found, columns, touched, min(day + DAY, moment))
    for place, event in fresh:
        _set(found, f"{PAIR}last_event_at", place, moment - 1)
        if event.event_type in COUNTED:
            _add(found, COUNTED[event.event_type], place, 1)
        elif event.event_type == PURCHASE:
            _add(found, f"{PAIR}pieces", place, event.quantity or 0)
            _purchase_day(found, columns, place, day)
    return found


def _carry(
    found: dict[str, FloatArray],
    columns: Sequence[FeatureColumn],
    touched: npt.NDArray[np.int64],
    feature_time: float,
) -> None:
    """Decay the touched rows to ``feature_time``; a pair without a row gets one of zeros."""
    time_C = found.get(f"{PAIR_VIEW}__feature_time")
    amounts = [column for column in columns if column.kind == "decayed"]
    counts = [f"{PAIR}purchase_days", f"{PAIR}pieces", *COUNTED.values()]
    for name in (*counts, *(column.reference for column in amounts)):
        if name in found:
            found[name][touched] = np.nan_to_num(found[name][touched])
    if time_C is None:
        return
    age_T = (feature_time - np.nan_to_num(time_C[touched], nan=feature_time)) / DAY
    for column in amounts:
        found[column.reference][touched] *= 0.5 ** (age_T / column.half_life_days)
    time_C[touched] = feature_time


def _purchase_day(
    found: dict[str, FloatArray], columns: Sequence[FeatureColumn], place: int, day: float
) -> None:
    """Count the day once."""
    last_C = found.get(f"{PAIR}last_purchased_at")
    if last_C is not None:
        if last_C[place] >= day:
            return
        _set(found, f"{PAIR}previous_purchased_at", place, float(last_C[place]))
        last_C[place] = day
    first_C = found.get(f"{PAIR}first_purchased_at")
    if first_C is not None and np.isnan(first_C[place]):
        first_C[place] = day
    _add(found, f"{PAIR}purchase_days", place, 1)
    for column in columns:
        if column.kind == "decayed":
            found[column.reference][place] += 1


def _set(found: dict[str, FloatArray], name: str, place: int, value: float) -> None:
    if name in found:
        found[name][place] = value


def _add(found: dict[str, FloatArray], name: str, place: int, number: float) -> None:
    if name in found:
        found[name][place] += number
