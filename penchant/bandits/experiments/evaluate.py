"""An experiment between two policies, judged from the log: is it fair, who is better, is anybody
harmed.

Users are assigned by hash (penchant/bandits/assignment.py). Four things are looked at, in this order,
and the first that decides ends it:

1. A sample-ratio mismatch: arms whose sizes the assignment can't explain are not comparable.
2. A guardrail that the treatment breaks by more than its interval: fatigue, coverage, returns.
3. The reward a user, by an interval that may be looked at daily (sequential.py).
4. Neither: go on.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from scipy.stats import chisquare

from penchant.bandits.assignment import arm_of, check_shares
from penchant.bandits.experiments.sequential import Difference, difference
from penchant.errors import DataError

MISMATCH = 1e-3  # chance of so unequal arms below which they are called mismatched

Decision = Literal["mismatch", "rollback", "keep", "go on"]


@dataclass(frozen=True)
class Guardrail:
    """A figure of each user that must not get worse. ``worse``: above or below control's."""

    name: str
    worse: Literal["above", "below"]
    tolerance: float


GUARDRAILS = (
    Guardrail("fatigue", "above", 0.02),
    Guardrail("coverage", "below", 0.05),
    Guardrail("returns", "above", 0.01),
)
"""fatigue: share of a user's impressions after the third of one item that nobody clicked.
coverage: distinct items shown, as a share of a user's impressions. returns: what was sent back,
as a share of what was bought."""


@dataclass(frozen=True)
class Verdict:
    """``users``: of each arm. ``mismatch_p``: chance of arms so unequal by the plan."""

    decision: Decision
    reason: str
    users: dict[str, int]
    mismatch_p: float
    reward: Difference | None
    guardrails: dict[str, Difference]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    experiment_id: str, log: pa.Table, shares: Mapping[str, float], returned: pa.Table
) -> Verdict:
    """Judge the second arm of ``shares`` against the first.

    ``log``: rows of the mart ``policy_log`` since the experiment began; ``policy`` names the arm
    that was shown. ``returned``: user_id, bought and sent_back, amounts since then. Rows that show
    a user another arm than theirs are left out of the reward, and make a mismatch if they are
    more than one in a thousand. Raises DataError for an arm without users.
    """
    check_shares(shares)
    control, treatment = list(shares)[:2]
    users, mixed = assigned(experiment_id, log, shares)
    counts = {arm: int((users["arm"] == arm).sum()) for arm in shares}
    empty = [arm for arm, count in counts.items() if not count]
    if empty:
        raise DataError(
            f"arm {empty[0]} of {experiment_id} has no user",
            "look at whether its policy is served at all",
        )
    total = sum(counts.values())
    expected = [share * total for share in shares.values()]
    mismatch_p = float(chisquare(list(counts.values()), expected).pvalue)
    if mismatch_p < MISMATCH or mixed > MISMATCH:
        reason = (
            f"arms have {counts} users where {dict(shares)} was planned (p = {mismatch_p:.2g}), "
            f"and {mixed:.2%} of rows show another arm than the user's"
        )
        return Verdict("mismatch", reason, counts, mismatch_p, None, {})
    figures = per_user(log, users, returned)
    in_arm = {arm: users["arm"] == arm for arm in (control, treatment)}

    def compared(name: str) -> Difference:
        values_U = figures[name]
        return difference(values_U[in_arm[treatment]], values_U[in_arm[control]])

    guardrails = {guardrail.name: compared(guardrail.name) for guardrail in GUARDRAILS}
    reward = compared("reward")
    decision, reason = decide(reward, guardrails)
    return Verdict(decision, reason, counts, mismatch_p, reward, guardrails)


def decide(reward: Difference, guardrails: Mapping[str, Difference]) -> tuple[Decision, str]:
    """The rule of steps 2 to 4, with its words."""
    for guardrail in GUARDRAILS:
        found = guardrails[guardrail.name]
        sign = 1 if guardrail.worse == "above" else -1
        least_harm = min(sign * found.low, sign * found.high)
        if least_harm > guardrail.tolerance:
            return "rollback", (
                f"{guardrail.name} is {guardrail.worse} control's by {sign * found.mean:.4f} "
                f"[{found.low:+.4f}, {found.high:+.4f}], more than {guardrail.tolerance} for sure"
            )
    words = f"reward a user {reward.mean:+.4f} [{reward.low:+.4f}, {reward.high:+.4f}]"
    if reward.verdict == "worse":
        return "rollback", f"{words}: worse than control"
    if reward.verdict == "better":
        return "keep", f"{words}: better than control"
    return "go on", f"{words}: not decided yet"


def assigned(
    experiment_id: str, log: pa.Table, shares: Mapping[str, float]
) -> tuple[dict[str, np.ndarray], float]:
    """``user_id`` and ``arm`` of each user in the log, and the share of rows of another arm."""
    user_ids_N = np.array(log["user_id"].to_pylist(), dtype=object)
    users_U, row_N = np.unique(user_ids_N, return_inverse=True)
    arm_U = np.array([arm_of(experiment_id, user, shares) for user in users_U], dtype=object)
    shown_N = np.array(log["policy"].to_pylist(), dtype=object)
    mixed = float((shown_N != arm_U[row_N]).mean()) if len(shown_N) else 0.0
    return {"user_id": users_U, "arm": arm_U}, mixed


def per_user(
    log: pa.Table, users: dict[str, np.ndarray], returned: pa.Table
) -> dict[str, np.ndarray]:
    """``reward`` and the guardrails' figures of each user, in the order of ``users``."""
    users_U, arm_U = users["user_id"], users["arm"]
    row_N = np.searchsorted(users_U, np.array(log["user_id"].to_pylist(), dtype=object))
    own_N = np.array(log["policy"].to_pylist(), dtype=object) == arm_U[row_N]
    row_N = row_N[own_N]
    reward_N = log["reward"].to_numpy()[own_N]
    clicked_N = log["clicked"].to_numpy(zero_copy_only=False)[own_N]
    _, item_N = np.unique(np.array(log["item_id"].to_pylist(), dtype=object), return_inverse=True)
    item_N = item_N[own_N]
    shown_U = np.bincount(row_N, minlength=len(users_U))
    pairs, pair_N = np.unique(np.stack([row_N, item_N]), axis=1, return_inverse=True)
    times_P = np.bincount(pair_N, minlength=pairs.shape[1])
    clicks_P = np.bincount(pair_N, clicked_N, minlength=pairs.shape[1])
    tiring_P = np.where(clicks_P == 0, np.maximum(0, times_P - 3), 0)
    rows = {user: row for row, user in enumerate(users_U)}
    sent_back_U = np.zeros(len(users_U))
    for user, bought, sent_back in zip(*returned.to_pydict().values(), strict=True):
        if user in rows and bought > 0:
            sent_back_U[rows[user]] = sent_back / bought
    enough_U = np.maximum(1, shown_U)
    return {
        "reward": np.bincount(row_N, reward_N, minlength=len(users_U)),
        "fatigue": np.bincount(pairs[0], tiring_P, minlength=len(users_U)) / enough_U,
        "coverage": np.bincount(pairs[0], minlength=len(users_U)) / enough_U,
        "returns": sent_back_U,
    }
