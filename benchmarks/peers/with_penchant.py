"""Our LinUCB, in batches."""

import bandit_peer as peer
import numpy as np

from penchant.bandits.policies import UpperConfidence
from penchant.bandits.posterior import LinearPosterior


def main() -> None:
    log, settings = peer.arguments()
    learning, deciding = [], []
    policy = UpperConfidence(settings["width"], floor=0.0)
    rewards_N = log.rewards_N.astype(float)
    for _ in range(settings["repeats"]):

        def learn() -> LinearPosterior:
            posterior = LinearPosterior.prior(log.arms, log.contexts_ND.shape[1])
            for part in np.array_split(np.arange(len(log.actions_N)), settings["batches"]):
                posterior = posterior.updated(
                    log.contexts_ND[part], rewards_N[part], log.actions_N[part]
                )
            return posterior

        seconds, posterior = peer.timed(learn)
        learning.append(seconds)

        def decide(posterior: LinearPosterior = posterior) -> np.ndarray:
            belief = posterior.for_arms(log.asked_BD)
            return policy.single_actions(belief, np.random.default_rng(0)).actions_BK[:, 0]

        seconds, actions = peer.timed(decide)
        deciding.append(seconds)
    peer.finish("penchant", learning, deciding, actions)


if __name__ == "__main__":
    main()
