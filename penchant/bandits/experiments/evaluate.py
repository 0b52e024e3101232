"""Evaluate an experiment between two policies from the log.

Users are assigned by hash (penchant/bandits/assignment.py). Four steps, of which the first that
decides is the result:

1. Sample-ratio mismatch: arms whose sizes the assignment can't explain are not comparable.
2. Guardrails that the treatment violates significantly: fatigue, coverage, returns.
3. Reward per user, by a confidence sequence that may be evaluated daily (sequential.py).
4. Otherwise: continue.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from scipy.stats import chisquare

from penchant.artifacts.experiment import Decision
from penchant.bandits.assignment import arm_of, check_shares
from penchant.bandits.experiments.sequential import Difference, difference
from penchant.errors import DataError

MISMATCH = 1e-3  # p-value of the sample-ratio test below which arms are mismatched


@dataclass(frozen=True)
class Guardrail:
    """A figure per user that must not get worse. ``worse``: above or below that of control."""

    name: str
    worse: Literal["above", "below"]
    tolerance: float


GUARDRAILS = (
    Guardrail("fatigue", "above", 0.02),
    Guardrail("coverage", "below", 0.05),
    Guardrail("returns", "above", 0.01),
)
"""fatigue: share of a user's impressions after the third of one item without a click.
coverage: distinct items shown, as a share of a user's impressions. returns: returned money as a
share of purchases."""


@dataclass(frozen=True)
class Evaluation:
    """See ``ExperimentResult`` for the fields."""

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
) -> Evaluation:
    """Compare the second arm of ``shares``, the treatment, with the first, the control.

    ``log``: rows of the mart ``policy_log`` since the experiment began; ``policy`` is the arm that
    was served. ``returned``: user_id, bought and sent_back, amounts since then. Rows that were
    served by another arm than the user's are left out of the reward; more than one in a thousand of
    them are a mismatch. Raises DataError for an arm without users.
    """
    check_shares(shares)
    control, treatment = list(shares)[:2]
    users, mixed = assigned(experiment_id, log, shares)
    counts = {arm: int((users["arm"] == arm).sum()) for arm in shares}
    empty = [arm for arm, count in counts.items() if not count]
    if empty:
        raise DataError(
            f"arm {empty[0]} of {experiment_id} has no user",
            "check that its policy is served",
        )
    total = sum(counts.values())
    expected = [share * total for share in shares.values()]
    mismatch_p = float(chisquare(list(counts.values()), expected).pvalue)
    if mismatch_p < MISMATCH or mixed > MISMATCH:
        reason = (
            f"arms have {counts} users where {dict(shares)} was planned (p = {mismatch_p:.2g}), "
            f"and {mixed:.2%} of rows were served by another arm than the user's"
        )
        return Evaluation("mismatch", reason, counts, mismatch_p, None, {})
    figures = per_user(log, users, returned)
    in_arm = {arm: users["arm"] == arm for arm in (control, treatment)}

    def compared(name: str) -> Difference:
        values_U = figures[name]
        return difference(values_U[in_arm[treatment]], values_U[in_arm[control]])

    guardrails = {guardrail.name: compared(guardrail.name) for guardrail in GUARDRAILS}
    reward = compared("reward")
    decision, reason = decide(reward, guardrails)
    return Evaluation(decision, reason, counts, mismatch_p, reward, guardrails)


def decide(reward: Difference, guardrails: Mapping[str, Difference]) -> tuple[Decision, str]:
    """Steps 2 to 4: the decision, and its reason."""
    for guardrail in GUARDRAILS:
        found = guardrails[guardrail.name]
        sign = 1 if guardrail.worse == "above" else -1
        least_harm = min(sign * found.low, sign * found.high)
        if least_harm > guardrail.tolerance:
            return "rollback", (
                f"{guardrail.name} is {guardrail.worse} that of control by {sign * found.mean:.4f} "
                f"[{found.low:+.4f}, {found.high:+.4f}], "
                f"significantly more than {guardrail.tolerance}"
            )
    words = f"reward per user {reward.mean:+.4f} [{reward.low:+.4f}, {reward.high:+.4f}]"
    if reward.result == "worse":
        return "rollback", f"{words}: worse than control"
    if reward.result == "better":
        return "keep", f"{words}: better than control"
    return "continue", f"{words}: not decided yet"


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
    """``reward`` and the guardrail figures of each user, in the order of ``users``."""
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
