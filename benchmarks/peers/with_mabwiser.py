"""LinUCB by mabwiser, in batches."""

import bandit_peer as peer
import numpy as np
from mabwiser.mab import MAB, LearningPolicy


def main() -> None:
    log, settings = peer.arguments()
    learning, deciding = [], []
    for _ in range(settings["repeats"]):
        policy = LearningPolicy.LinUCB(alpha=settings["width"], l2_lambda=1.0)
        bandit = MAB(list(range(log.arms)), policy, n_jobs=1)
        first, *parts = np.array_split(np.arange(len(log.actions_N)), settings["batches"])
        bandit.fit(log.actions_N[first], log.rewards_N[first], log.contexts_ND[first])

        def learn() -> None:
            for part in parts:  # noqa: B023 - called at once
                bandit.partial_fit(  # noqa: B023
                    log.actions_N[part], log.rewards_N[part], log.contexts_ND[part]
                )

        seconds, _ = peer.timed(learn)
        learning.append(seconds * len(log.actions_N) / (len(log.actions_N) - len(first)))
        seconds, actions = peer.timed(lambda: bandit.predict(log.asked_BD))  # noqa: B023
        deciding.append(seconds)
    peer.finish("mabwiser", learning, deciding, actions)


if __name__ == "__main__":
    main()
