"""LinUCB by mabwiser, in batches."""

import numpy as np
import peer
from mabwiser.mab import MAB, LearningPolicy

log, settings = peer.bandit_arguments()
first, *parts = np.array_split(np.arange(len(log.actions_N)), settings["batches"])


def learn(bandit: MAB) -> None:
    for part in parts:
        bandit.partial_fit(log.actions_N[part], log.rewards_N[part], log.contexts_ND[part])


learning, deciding = [], []
for _ in range(settings["repeats"]):
    linucb = LearningPolicy.LinUCB(alpha=settings["width"], l2_lambda=1.0)
    bandit = MAB(list(range(log.arms)), linucb, n_jobs=1)
    bandit.fit(log.actions_N[first], log.rewards_N[first], log.contexts_ND[first])
    seconds, _ = peer.timed(lambda: learn(bandit))  # noqa: B023 - called at once
    learning.append(seconds * len(log.actions_N) / (len(log.actions_N) - len(first)))
    seconds, actions = peer.timed(lambda: bandit.predict(log.decisions_BD))  # noqa: B023
    deciding.append(seconds)
peer.finish_bandit("mabwiser", learning, deciding, actions)
