"""A contextual bandit by Vowpal Wabbit, each way in which Python can have it: the faster counts.

Its driver reads a file of text and learns as it reads, in C++; or Python hands over examples that
were parsed before, one by one, and their parsing isn't timed.
"""

from pathlib import Path
from typing import Any

import bandit_peer as peer
import numpy as np
import vowpalwabbit as vw

MODEL = "model.vw"


def main() -> None:
    log, settings = peer.arguments()
    flags = f"--cb_explore {log.arms} --cb_type mtr --epsilon 0.05 --random_seed 1 --quiet"
    chance = 1 / log.arms
    learned = [
        f"{action + 1}:{-reward:g}:{chance:g} | {words(row)}"
        for action, reward, row in zip(log.actions_N, log.rewards_N, log.contexts_ND, strict=True)
    ]
    asked = [f"| {words(row)}" for row in log.asked_BD]
    Path("train.txt").write_text("\n".join(learned) + "\n")
    Path("asked.txt").write_text("\n".join(asked) + "\n")
    learning, deciding = [], []
    for _ in range(settings["repeats"]):
        by_driver, _ = peer.timed(lambda: driver(f"{flags} -d train.txt -f {MODEL}"))
        by_hand, workspace = one_by_one(flags, learned)
        learning.append(min(by_driver, by_hand))
        examples = [workspace.parse(line) for line in asked]
        by_hand, chances = peer.timed(lambda: [workspace.predict(one) for one in examples])  # noqa: B023
        for example in examples:
            workspace.finish_example(example)
        by_driver, _ = peer.timed(lambda: driver(f"--quiet -t -i {MODEL} -d asked.txt -p out.txt"))
        deciding.append(min(by_driver, by_hand))
        workspace.finish()
    peer.finish("vowpalwabbit", learning, deciding, np.argmax(chances, axis=1))


def words(row: np.ndarray) -> str:
    return " ".join(f"f{number}:{value:.5f}" for number, value in enumerate(row))


def driver(flags: str) -> None:
    vw.Workspace(flags).finish()


def one_by_one(flags: str, lines: list[str]) -> tuple[float, Any]:
    workspace = vw.Workspace(flags)
    examples = [workspace.parse(line, vw.LabelType.CONTEXTUAL_BANDIT) for line in lines]
    seconds, _ = peer.timed(lambda: [workspace.learn(example) for example in examples])
    for example in examples:
        workspace.finish_example(example)
    return seconds, workspace


if __name__ == "__main__":
    main()
