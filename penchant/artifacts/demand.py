"""The demand forecast of a snapshot."""

from penchant.artifacts.insight import InsightRecord
from penchant.artifacts.record import Interval, Part

WEEKLY, DAILY = "weekly.parquet", "daily.parquet"


class Accuracy(Part):
    """Measures on held-out weeks; see ``penchant/insights/demand/accuracy.py``."""

    series: float
    pieces: float
    wape: float
    total_wape: float
    mase: float
    pinball: float
    coverage: float


class Service(Part):
    """Of a reorder point for a lead time: ``achieved`` is the share of series whose demand stayed
    within it, ``stock`` its pieces per piece sold."""

    weeks: int
    asked: float
    achieved: float
    stock: float
    baseline_achieved: float
    baseline_stock: float


class ClassAccuracy(Part):
    """``difference``: our 4-week WAPE less the baseline's, below 0 where we are better."""

    method: str
    ours: Accuracy
    baselines: dict[str, Accuracy]
    difference: dict[str, Interval]


class Errors(Part):
    """Quantiles of a class's standardized errors at ``LEVELS``: by week ahead, of the total of the
    first weeks, and of a day."""

    weeks: tuple[tuple[float, ...], ...]
    totals: tuple[tuple[float, ...], ...]
    day: tuple[float, ...]


class DemandRecord(InsightRecord):
    """``demand.json``; ``weekly.parquet`` and ``daily.parquet`` are beside it.

    ``methods`` and ``reconciled_by`` made the forecast; ``backtest`` is of ``test_origins`` alone,
    with methods that were selected on ``validation_origins``. Origins are weeks of history.
    """

    KIND, COMMAND, CONTENT = "demand", "forecast-demand", "demand forecast is"
    REMEDY = "run `penchant forecast-demand` again"

    snapshot_id: str
    weeks: int
    items: int
    categories: int
    validation_origins: tuple[int, ...]
    test_origins: tuple[int, ...]
    methods: dict[str, str]
    reconciled_by: str
    levels: tuple[float, ...]
    errors: dict[str, Errors]
    backtest: dict[str, ClassAccuracy]
    service: tuple[Service, ...]
    total_wape: dict[str, dict[str, float]]
