"""Which quantities of the watched days differ from the days before.

Rows of a day belong to the same few users, sales and hours, so tests that count rows as independent
find something every day. The days are the sample here: the distance of each reference day from the
other ones says how far a usual day is. The watched days are compared with these by a prediction
interval of Student's t. p-values are corrected by Benjamini and Hochberg (1995, "Controlling the
False Discovery Rate"), and a difference must be large too: with many rows a small one is certain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from penchant.artifacts.monitoring import DriftTest, Measure
from penchant.monitoring.series import Distribution, Floats, Ints, Series, Share, Volume

LEAST_DAYS = 14
LEAST_ROWS = 100  # of a day
FALSE_DISCOVERIES = 0.01
PSI = KS = 0.1  # beyond what chance explains; PSI by convention, see quality/drift.py
RELATIVE = 0.25  # change of a share, of at least RARE
RARE = 0.02
TIMES = 2.0  # change of a number of rows
LEAST_DEVIATION = 0.005  # of distances between days: days may be equal


@dataclass(frozen=True)
class Outcome:
    """A test before the correction. ``large``: whether the difference would matter."""

    series: Series
    value: float
    expected: float
    p_value: float
    large: bool
    change: str


def drift_tests(series: Sequence[Series]) -> tuple[tuple[DriftTest, ...], dict[str, str]]:
    """The result of each quantity that can be tested, and why the others can't, by name."""
    outcomes: list[Outcome] = []
    untested: dict[str, str] = {}
    for each in series:
        found = _untestable(each)
        if found is None:
            outcomes.append(_outcome(each))
        else:
            untested[each.name] = found
    significant = benjamini_hochberg([each.p_value for each in outcomes], FALSE_DISCOVERIES)
    return tuple(
        DriftTest(
            name=each.series.name,
            group=each.series.group,
            measure=_measure(each.series),
            value=round(each.value, 6),
            expected=round(each.expected, 6),
            p_value=each.p_value,
            drifted=bool(found and each.large),
            change=each.change,
        )
        for each, found in zip(outcomes, significant, strict=True)
    ), untested


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> npt.NDArray[np.bool_]:
    """Which hypotheses to reject, so that at most ``rate`` of the rejected ones are true."""
    p_N = np.asarray(p_values, dtype=np.float64)
    order_N = np.argsort(p_N, kind="stable")
    below = np.flatnonzero(p_N[order_N] <= rate * np.arange(1, len(p_N) + 1) / max(len(p_N), 1))
    rejected_N = np.zeros(len(p_N), dtype=bool)
    if len(below):
        rejected_N[order_N[: below[-1] + 1]] = True
    return rejected_N


def stability_index(now_B: Ints, before_B: Ints) -> float:
    """PSI of two histograms. Half a row is added to each bin: empty ones then have a logarithm."""
    p_B, q_B = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (now_B, before_B))
    return float(((p_B - q_B) * np.log(p_B / q_B)).sum())


def _untestable(series: Series) -> str | None:
    rows_D = series.counts_DB.sum(1) if isinstance(series, Distribution) else series.rows_D
    enough = int((rows_D[1:] >= LEAST_ROWS).sum())
    if enough < LEAST_DAYS:
        return f"{enough} days with {LEAST_ROWS} rows or more before, needs {LEAST_DAYS}"
    if rows_D[0] < LEAST_ROWS and not isinstance(series, Volume):
        return f"{int(rows_D[0])} rows in the watched days, needs {LEAST_ROWS}"
    if isinstance(series, Distribution) and len(series.labels) < 2:
        return "one value"
    return None


def _outcome(series: Series) -> Outcome:
    if isinstance(series, Distribution):
        return _distribution(series)
    return _share(series) if isinstance(series, Share) else _volume(series)


def _measure(series: Series) -> Measure:
    if isinstance(series, Distribution):
        return series.measure
    return "share" if isinstance(series, Share) else "rows"


def _distribution(series: Distribution) -> Outcome:
    counts_DB = series.counts_DB[_kept(series.counts_DB.sum(1))]
    before_B = counts_DB[1:].sum(0)
    distance = stability_index if series.measure == "psi" else _ks
    value = distance(counts_DB[0], before_B)
    usual_D = np.array([distance(day_B, before_B - day_B) for day_B in counts_DB[1:]])
    p_value = _p_above(_linear(value, series), _linear(usual_D, series))
    sizes = 1 / counts_DB[0].sum() + 1 / before_B.sum()
    if series.measure == "psi":
        large = value - (len(before_B) - 1) * sizes > PSI
    else:
        large = value - 1.36 * np.sqrt(sizes) > KS  # Kolmogorov's 95 % quantile
    change = _largest_change(counts_DB[0], before_B, series)
    return Outcome(series, value, float(usual_D.mean()), p_value, bool(large), change)


def _share(series: Share) -> Outcome:
    """By the arcsine of the root, whose variance is the same for rare and usual shares."""
    kept_D = _kept(series.rows_D)
    hits_D, rows_D = series.hits_D[kept_D], series.rows_D[kept_D]
    share_D = hits_D / rows_D
    usual = float(hits_D[1:].sum() / rows_D[1:].sum())
    angle_D = np.arcsin(np.sqrt(share_D))
    by_chance = float(np.sqrt(1 / (4 * rows_D[0])))
    p_value = _p_of(float(angle_D[0]), angle_D[1:], by_chance)
    change = abs(float(share_D[0]) - usual)
    text = f"{share_D[0]:.2%} of rows, {usual:.2%} before"
    large = change > RELATIVE * max(min(usual, 1 - usual), RARE)
    return Outcome(series, float(share_D[0]), usual, p_value, large, text)


def _volume(series: Volume) -> Outcome:
    rows_D = series.rows_D[_kept(series.rows_D)]
    logs_D = np.log(rows_D + 1.0)
    usual = float(rows_D[1:].mean())
    p_value = _p_of(float(logs_D[0]), logs_D[1:], float(np.sqrt(1 / usual)))
    large = not usual / TIMES < rows_D[0] < usual * TIMES
    text = f"{rows_D[0]:,} a day, {usual:,.0f} before"
    return Outcome(series, float(rows_D[0]), usual, p_value, large, text)


def _kept(rows_D: Ints) -> npt.NDArray[np.bool_]:
    """The watched days, and the reference days with enough rows."""
    kept_D: npt.NDArray[np.bool_] = rows_D >= LEAST_ROWS
    kept_D[0] = True
    return kept_D


def _ks(now_B: Ints, before_B: Ints) -> float:
    """Kolmogorov and Smirnov's distance: the largest one between cumulative shares."""
    now, before = (np.cumsum(counts) / counts.sum() for counts in (now_B, before_B))
    return float(np.abs(now - before).max())


def _linear(distance: Any, series: Distribution) -> Any:
    """Something that grows linearly with a change: PSI grows with its square."""
    return np.sqrt(distance) if series.measure == "psi" else distance


def _p_above(value: float, usual_D: Floats) -> float:
    standardized = _standardized(value, usual_D, least_deviation=LEAST_DEVIATION)
    return float(student.sf(standardized, len(usual_D) - 1))


def _p_of(value: float, usual_D: Floats, least_deviation: float) -> float:
    standardized = abs(_standardized(value, usual_D, least_deviation))
    return float(2 * student.sf(standardized, len(usual_D) - 1))


def _standardized(value: float, usual_D: Floats, least_deviation: float) -> float:
    """Deviations of a prediction from one more day of the same kind."""
    deviation = max(float(usual_D.std(ddof=1)), least_deviation)
    return (value - float(usual_D.mean())) / (deviation * np.sqrt(1 + 1 / len(usual_D)))


def _largest_change(now_B: Ints, before_B: Ints, series: Distribution) -> str:
    """In words, the bin or the median that moved most."""
    if series.measure == "ks":
        middle = [series.labels[_median(counts)] for counts in (now_B, before_B)]
        return f"median {middle[0]}, {middle[1]} before"
    now, before = now_B / now_B.sum(), before_B / before_B.sum()
    at = int(np.abs(now - before).argmax())
    return f"{series.labels[at]}: {now[at]:.1%} of rows, {before[at]:.1%} before"


def _median(counts_B: Ints) -> int:
    return int(np.searchsorted(np.cumsum(counts_B), counts_B.sum() / 2))
