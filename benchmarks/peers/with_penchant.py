"""Our LinUCB, in batches."""

import numpy as np
import peer

from penchant.bandits.policies import UpperConfidence
from penchant.bandits.posterior import LinearPosterior

log, settings = peer.bandit_arguments()
rewards_N = log.rewards_N.astype(float)
policy = UpperConfidence(settings["width"], floor=0.0)


def learn() -> LinearPosterior:
    posterior = LinearPosterior.prior(log.arms, log.contexts_ND.shape[1])
    for part in np.array_split(np.arange(len(log.actions_N)), settings["batches"]):
        posterior = posterior.updated(log.contexts_ND[part], rewards_N[part], log.actions_N[part])
    return posterior


def decide(posterior: LinearPosterior) -> np.ndarray:
    belief = posterior.for_arms(log.decisions_BD)
    return policy.single_actions(belief, np.random.default_rng(0)).actions_BK[:, 0]


learning, deciding = [], []
for _ in range(settings["repeats"]):
    seconds, learned = peer.timed(learn)
    learning.append(seconds)
    seconds, actions = peer.timed(lambda: decide(learned))  # noqa: B023 - called at once
    deciding.append(seconds)
peer.finish_bandit("penchant", learning, deciding, actions)
