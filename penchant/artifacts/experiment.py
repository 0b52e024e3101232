"""Experiments between policies, and the decision to promote a policy into one."""

from typing import Literal

from penchant.artifacts.record import Moment, Part, Record

Decision = Literal["mismatch", "rollback", "keep", "continue"]


class Arm(Part):
    """``share`` of users. ``exploration``: share of random actions of a ranker policy, None for a
    learned policy."""

    policy_id: str
    share: float
    exploration: float | None = None


class Experiment(Record):
    """``experiment.json``. ``began_at``: naive UTC, the end of the data that its treatment was
    trained on."""

    REMEDY = "remove the file and run `penchant evaluate-policy` again"

    id: str
    control: Arm
    treatment: Arm
    began_at: Moment

    @property
    def arms(self) -> tuple[Arm, Arm]:
        return self.control, self.treatment

    @property
    def shares(self) -> dict[str, float]:
        """Policy id -> share of users, the control first."""
        return {arm.policy_id: arm.share for arm in self.arms}


class ExperimentResult(Record):
    """``result.json``: the last evaluation. ``users``: of each arm. ``mismatch_p``: p-value of the
    sample-ratio test. ``reward`` and ``guardrails``: differences, treatment minus control."""

    REMEDY = "run `penchant evaluate-experiment` again"

    experiment_id: str
    snapshot_id: str
    decision: Decision
    reason: str
    users: dict[str, int]
    mismatch_p: float
    reward: dict[str, float] | None
    guardrails: dict[str, dict[str, float]]


class PromotionDecision(Record):
    """``gate.json``: whether a policy may be tried on users. ``value``, ``low``, ``high``: its
    estimated value; ``current``: what it has to exceed."""

    REMEDY = "run `penchant evaluate-policy` again"

    run_id: str
    promoted: bool
    reason: str
    value: float
    low: float
    high: float
    current: float
    effective_size: float
