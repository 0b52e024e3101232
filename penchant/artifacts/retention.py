"""The retention predictions of a snapshot."""

from penchant.artifacts.insight import InsightRecord
from penchant.artifacts.record import Interval, Moment, Part

USERS = "users.parquet"


class Decile(Part):
    """A tenth of the users, by prediction: what was predicted, and what came."""

    predicted: float
    came: Interval


class ReturnAccuracy(Part):
    """Of a probability: area under the ROC curve, log loss, Brier score, calibration error (mean
    distance of the tenths), and ``lift``: how often the last tenth stays away, over all users."""

    auc: Interval
    log_loss: Interval
    brier: float
    calibration_error: float
    lift: float
    deciles: tuple[Decile, ...]


class ValueAccuracy(Part):
    """Of expected money: WAPE over users, predicted over actual total, rank correlation, and the
    share of the money that the best tenth by prediction spent."""

    wape: Interval
    bias: float
    spearman: float
    top_decile: float


class FadingAccuracy(Part):
    """Of the alert: users it named, their share that did not return within 28 days, the same of
    all users, and of as many users with the longest time since an order. ``before``, ``after``:
    orders of those users per 28 days before and after."""

    users: int
    stayed_away: float
    stayed_away_of_all: float
    stayed_away_by_recency: float
    orders_before: float
    orders_after: float
    orders_before_by_recency: float


class RetentionRecord(InsightRecord):
    """``retention.json``; ``users.parquet`` beside it has a row per user.

    Models were selected on an earlier moment than ``tested_at``; ``value`` is empty where the data
    has no 90 days after a moment with earlier moments to learn from.
    """

    KIND, COMMAND, CONTENT = "retention", "predict-retention", "retention predictions are"
    REMEDY = "run `penchant predict-retention` again"

    snapshot_id: str
    users: int
    fading: int
    tested_at: Moment
    tested_users: int
    return_share: float
    return_model: str
    returns: dict[str, ReturnAccuracy]
    value_tested_at: Moment | None
    value_model: str
    value: dict[str, ValueAccuracy]
    fading_accuracy: FadingAccuracy
