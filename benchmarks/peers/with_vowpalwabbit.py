"""A contextual bandit by Vowpal Wabbit, by its own driver or from Python: the faster counts.

The driver reads a text file and learns as it reads, in C++. From Python, examples are passed one by
one; their parsing isn't timed.
"""

from pathlib import Path
from typing import Any

import numpy as np
import peer
import vowpalwabbit as vw

MODEL = "model.vw"


def features(row: np.ndarray) -> str:
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


log, settings = peer.bandit_arguments()
flags = f"--cb_explore {log.arms} --cb_type mtr --epsilon 0.05 --random_seed 1 --quiet"
chance = 1 / log.arms
train = [
    f"{action + 1}:{-reward:g}:{chance:g} | {features(row)}"
    for action, reward, row in zip(log.actions_N, log.rewards_N, log.contexts_ND, strict=True)
]
test = [f"| {features(row)}" for row in log.decisions_BD]
Path("train.txt").write_text("\n".join(train) + "\n")
Path("test.txt").write_text("\n".join(test) + "\n")
learning, deciding = [], []
for _ in range(settings["repeats"]):
    by_driver, _ = peer.timed(lambda: driver(f"{flags} -d train.txt -f {MODEL}"))
    by_python, workspace = one_by_one(flags, train)
    learning.append(min(by_driver, by_python))
    examples = [workspace.parse(line) for line in test]
    by_python, chances = peer.timed(lambda: [workspace.predict(one) for one in examples])  # noqa: B023
    for example in examples:
        workspace.finish_example(example)
    by_driver, _ = peer.timed(lambda: driver(f"--quiet -t -i {MODEL} -d test.txt -p out.txt"))
    deciding.append(min(by_driver, by_python))
    workspace.finish()
peer.finish_bandit("vowpalwabbit", learning, deciding, np.argmax(chances, axis=1))
