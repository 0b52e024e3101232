"""The `predict-retention` stage: returns, expected money and fading users of a snapshot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.artifacts.retention import USERS, RetentionRecord
from penchant.errors import NothingToDo
from penchant.insights.retention.accuracy import (
    log_loss,
    return_accuracy,
    value_accuracy,
    wape,
)
from penchant.insights.retention.bg_nbd import fit_bg_nbd
from penchant.insights.retention.fading import faded_interests, fading, fading_accuracy
from penchant.insights.retention.features import feature_matrix, user_features
from penchant.insights.retention.history import (
    RETURN_DAYS,
    VALUE_DAYS,
    Floats,
    Orders,
    Users,
    outcome_after,
    read_orders,
    users_at,
)
from penchant.insights.retention.models import (
    RETURN_MODELS,
    VALUE_MODELS,
    Fitting,
    Moment,
    predict_return,
    predict_value,
)
from penchant.insights.retention.published import write_users
from penchant.settings import Settings

STEP = 28  # days between two moments: feature times of the marts
MOST_MOMENTS = 13
LEAST_USERS = 50
Predict = Callable[[str, Sequence[Moment], Moment, Fitting], Floats]


@dataclass(frozen=True)
class RetentionReport:
    """``repeated``: the predictions were there already."""

    record: RetentionRecord
    repeated: bool

    def summary(self) -> str:
        record = self.record
        auc = record.returns[record.return_model].auc["mean"]
        return (
            f"{'unchanged' if self.repeated else 'predicted'} returns of {record.users:,} users by "
            f"{record.return_model} (AUC {auc:.3f}), {record.fading} are fading"
        )

    def as_dict(self) -> dict[str, Any]:
        return self.record.as_dict()


def predict_retention(settings: Settings, snapshot_id: str) -> RetentionReport:
    """Write ``insights/<snapshot>/retention/``, once, and make it the published prediction.

    Raises NothingToDo for a snapshot with too few users or days to learn from, DataError where no
    user has bought twice.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)

    def write(folder: Path) -> RetentionRecord:
        record, table = predictions(settings, snapshot)
        write_users(folder / USERS, table)
        return record

    record, repeated = RetentionRecord.publish_once(settings, snapshot.id, write)
    return RetentionReport(record, repeated)


def predictions(settings: Settings, snapshot: Snapshot) -> tuple[RetentionRecord, pa.Table]:
    """Evaluate the models on the last moments whose outcome is known, then predict at ``as_of``."""
    orders = read_orders(snapshot, settings.threads)
    days = _days_before(orders)
    fitting = Fitting(settings.seed, settings.threads)
    features = user_features(snapshot)

    def at(days_before: int) -> Moment:
        users = users_at(orders, days_before)
        matrix_UF = feature_matrix(snapshot, features, users, settings.threads)
        known = days_before >= RETURN_DAYS
        outcome = outcome_after(orders, users, days_before) if known else None
        return Moment(users, matrix_UF, outcome)

    now = at(0)
    model = fit_bg_nbd(now.users)
    moments = {each: at(each) for each in days}
    test, validation, *earlier = (moments[each] for each in days)
    name, tested = _evaluated_returns(test, validation, earlier[::-1], fitting)
    value_name, value_tested, value_test = _evaluated_values(moments, fitting)
    valued = [moment for each, moment in moments.items() if each >= VALUE_DAYS]
    fading_U = fading(model, now.users)
    probability_U = predict_return(name, list(moments.values()), now, fitting)
    value_U = predict_value(value_name, valued, now, fitting)
    test_model = fit_bg_nbd(test.users)
    record = RetentionRecord(
        snapshot_id=snapshot.id,
        users=len(now.users.user_ids),
        fading=int(fading_U.sum()),
        tested_at=test.users.moment,
        tested_users=len(test.users.user_ids),
        return_share=float(_returned(test).mean()),
        return_model=name,
        returns=tested,
        value_tested_at=value_test.users.moment if value_test else None,
        value_model=value_name,
        value=value_tested,
        fading_accuracy=fading_accuracy(
            test_model, test.users, _returned(test), _orders_after(orders, test.users, days[0])
        ),
    )
    faded = faded_interests(
        snapshot, np.array(now.users.user_ids, object)[fading_U].tolist(), settings.threads
    )
    return record, _rows(now.users, probability_U, value_U, model.alive(now.users), fading_U, faded)


def _days_before(orders: Orders) -> list[int]:
    """Moments with a known return, the newest first. Raises NothingToDo for less than three."""
    if len(orders.user_ids) < LEAST_USERS:
        raise NothingToDo(
            f"{len(orders.user_ids)} users have bought, retention needs {LEAST_USERS}",
            "land more purchases, then build again",
        )
    oldest = int(orders.day_R.max())
    found = [
        step * STEP
        for step in range(1, MOST_MOMENTS + 1)
        if step * STEP < oldest and len(users_at(orders, step * STEP).user_ids) >= LEAST_USERS
    ]
    if len(found) < 3:
        raise NothingToDo(
            f"purchases reach {oldest} days back, retention needs {4 * STEP}: "
            "28 days to learn from, to select on, to evaluate on, and before them",
            "land older purchases, then build again",
        )
    return found


def _evaluated_returns(
    test: Moment, validation: Moment, earlier: Sequence[Moment], fitting: Fitting
) -> tuple[str, dict[str, Any]]:
    """The model with the least log loss on validation, and all models' accuracy on test."""
    losses = {
        name: log_loss(
            _returned(validation).astype(np.float64),
            predict_return(name, earlier, validation, fitting),
        )
        for name in RETURN_MODELS
    }
    past = [*earlier, validation]
    tested = {
        name: return_accuracy(_returned(test), predict_return(name, past, test, fitting))
        for name in RETURN_MODELS
    }
    return min(losses, key=lambda name: losses[name]), tested


def _evaluated_values(
    moments: dict[int, Moment], fitting: Fitting
) -> tuple[str, dict[str, Any], Moment | None]:
    """The same for money. A moment is learned from where its 90 days end before the predicted one;
    without such moments BG/NBD predicts, and nothing is evaluated."""
    days = [each for each in moments if each >= VALUE_DAYS]
    if not days or not _ended_before(days, days[0]):
        return "bg_nbd", {}, None
    validations = _ended_before(days, days[0])
    chosen = "bg_nbd"
    if _ended_before(days, validations[0]):
        wapes = {
            name: _wape_of(name, moments, days, validations[0], fitting) for name in VALUE_MODELS
        }
        chosen = min(wapes, key=lambda name: wapes[name])
    test = moments[days[0]]
    past = [moments[each] for each in validations]
    tested = {
        name: value_accuracy(_value(test), predict_value(name, past, test, fitting))
        for name in VALUE_MODELS
    }
    return chosen, tested, test


def _wape_of(
    name: str, moments: dict[int, Moment], days: list[int], at: int, fitting: Fitting
) -> float:
    past = [moments[each] for each in _ended_before(days, at)]
    expected_U = predict_value(name, past, moments[at], fitting)
    return wape(_value(moments[at]), expected_U)


def _ended_before(days: Sequence[int], at: int) -> list[int]:
    """Moments whose 90 days end before a moment, the newest first."""
    return [each for each in days if each - VALUE_DAYS >= at]


def _returned(moment: Moment) -> np.ndarray:
    assert moment.outcome is not None
    return moment.outcome.returned_U


def _value(moment: Moment) -> Floats:
    assert moment.outcome is not None
    return np.maximum(moment.outcome.value_U, 0.0)


def _orders_after(orders: Orders, users: Users, days_before: int) -> Floats:
    """Days with an order in the 28 days after a moment."""
    after_R = (orders.day_R <= days_before) & (orders.day_R > days_before - RETURN_DAYS)
    count = np.bincount(orders.user_R[after_R], minlength=len(orders.user_ids))
    place = {user_id: place for place, user_id in enumerate(orders.user_ids)}
    return count[[place[user_id] for user_id in users.user_ids]].astype(np.float64)


def _rows(
    users: Users,
    probability_U: Floats,
    value_U: Floats,
    alive_U: Floats,
    fading_U: np.ndarray,
    faded: dict[str, Any],
) -> pa.Table:
    interests = [faded.get(user_id) for user_id in users.user_ids]
    return pa.table(
        {
            "user_id": pa.array(users.user_ids, pa.string()),
            "return_probability": probability_U,
            "expected_value": value_U,
            "alive_probability": alive_U,
            "orders": users.orders_U.astype(np.int64),
            "days_since_last_order": users.recency_U.astype(np.int64),
            "usual_gap_days": pa.array(users.usual_gap_U, from_pandas=True),
            "fading": fading_U,
            "fading_interest": pa.array(
                [each.category if each else None for each in interests], pa.string()
            ),
        }
    )
