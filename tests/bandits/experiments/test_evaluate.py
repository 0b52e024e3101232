"""An experiment: refused when its arms are not comparable, stopped when it harms."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from penchant.bandits.assignment import arm_of
from penchant.bandits.experiments.evaluate import Evaluation, evaluate
from penchant.errors import DataError, UsageError

EXPERIMENT = "x-1"
SHARES = {"old": 0.5, "new": 0.5}
USERS = [f"u{number:05d}" for number in range(3000)]
NOBODY = pa.table({"user_id": USERS, "bought": [1.0] * 3000, "sent_back": [0.0] * 3000})

Shown = Callable[[str, np.random.Generator], dict[str, list]]


def slate(reward: float, items: int = 5, times: int = 1) -> Shown:
    """Items that a user is shown so often; the first is bought for ``reward`` by one in five."""

    def shown(arm: str, random: np.random.Generator) -> dict[str, list]:
        bought = random.random() < 0.2
        rows = items * times
        return {
            "item_id": [f"i{item}" for item in range(items)] * times,
            "clicked": [bought] + [False] * (rows - 1),
            "reward": [reward if bought else 0.0] + [0.0] * (rows - 1),
        }

    return shown


def evaluated(
    of: dict[str, Shown], users: list[str] = USERS, returned: pa.Table = NOBODY
) -> Evaluation:
    random = np.random.default_rng(0)
    columns: dict[str, list] = {name: [] for name in ("user_id", "policy")}
    columns |= {name: [] for name in ("item_id", "clicked", "reward")}
    for user in users:
        arm = arm_of(EXPERIMENT, user, SHARES)
        rows = of[arm](arm, random)
        columns["user_id"] += [user] * len(rows["item_id"])
        columns["policy"] += [arm] * len(rows["item_id"])
        for name, values in rows.items():
            columns[name] += values
    return evaluate(EXPERIMENT, pa.table(columns), SHARES, returned)


def test_arms_are_shares_of_users_and_stay() -> None:
    shares = {"a": 0.2, "b": 0.5, "c": 0.3}
    arms = [arm_of(EXPERIMENT, user, shares) for user in USERS]
    assert arms == [arm_of(EXPERIMENT, user, shares) for user in USERS]
    found = {arm: arms.count(arm) / len(arms) for arm in shares}
    assert found == pytest.approx(shares, abs=0.03)
    others = [arm_of("x-2", user, shares) for user in USERS]
    both = sum(one == other for one, other in zip(arms, others, strict=True)) / len(arms)
    assert both == pytest.approx(0.2**2 + 0.5**2 + 0.3**2, abs=0.03)


def test_a_better_policy_is_kept() -> None:
    result = evaluated({"old": slate(1.0), "new": slate(2.0)})
    assert (result.decision, result.mismatch_p > 0.001) == ("keep", True)
    assert result.reward is not None and result.reward.low > 0


def test_no_difference_goes_on() -> None:
    assert evaluated({"old": slate(1.0), "new": slate(1.0)}).decision == "continue"


def test_a_worse_policy_is_rolled_back() -> None:
    assert evaluated({"old": slate(2.0), "new": slate(1.0)}).decision == "rollback"


def test_a_better_policy_that_tires_users_is_rolled_back() -> None:
    result = evaluated({"old": slate(1.0, items=10), "new": slate(3.0, items=1, times=10)})
    assert result.decision == "rollback" and "fatigue" in result.reason


def test_arms_that_the_plan_can_not_explain_are_a_mismatch() -> None:
    seen = [user for user in USERS if arm_of(EXPERIMENT, user, SHARES) == "old"]
    seen += [user for user in USERS if arm_of(EXPERIMENT, user, SHARES) == "new"][:1000]
    result = evaluated({"old": slate(1.0), "new": slate(5.0)}, sorted(seen))
    assert (result.decision, result.reward) == ("mismatch", None)


def test_an_arm_without_users_is_refused() -> None:
    only = [user for user in USERS if arm_of(EXPERIMENT, user, SHARES) == "old"]
    with pytest.raises(DataError, match="arm new of x-1 has no user"):
        evaluated({"old": slate(1.0)}, only)


def test_shares_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="summing to 1"):
        arm_of(EXPERIMENT, "u", {"a": 0.5, "b": 0.6})
