"""The weighted sum of several boosters as one, by LightGBM's text."""

from collections.abc import Sequence

import lightgbm as lgb
import numpy as np

END = "\nend of trees"
TREE = "\nTree="
VALUES = ("leaf_value", "internal_value")  # lines of a tree that are scores
GAIN = "split_gain"


def summed(boosters: Sequence[lgb.Booster], weights: Sequence[float]) -> lgb.Booster:
    """One booster whose score is the weighted sum. Each has the same part in the importance of
    features, whatever the scale of its objective."""
    if len(boosters) == 1 and weights[0] == 1:
        return boosters[0]
    trees, whole = list[str](), boosters[0].model_to_string()
    for booster, weight in zip(boosters, weights, strict=True):
        gain = float(max(booster.feature_importance("gain").sum(), np.finfo(np.float32).tiny))
        scales = {GAIN: 1 / gain} | dict.fromkeys(VALUES, weight)
        own = booster.model_to_string().split(END)[0].split(TREE)[1:]
        trees += [_scaled(tree.partition("\n")[2], scales) for tree in own]
    head, tail = whole.split(TREE)[0], whole.split(END)[1]
    # the sizes are those of one booster's trees, and LightGBM reads the text without them
    head = "\n".join(line for line in head.split("\n") if not line.startswith("tree_sizes="))
    numbered = "".join(f"{TREE}{place}\n{tree}" for place, tree in enumerate(trees))
    return lgb.Booster(model_str=f"{head}{numbered}{END}{tail}")


def _scaled(tree: str, scales: dict[str, float]) -> str:
    lines = []
    for line in tree.split("\n"):
        name, _, values = line.partition("=")
        if name in scales:
            line = f"{name}=" + " ".join(
                repr(float(each) * scales[name]) for each in values.split()
            )
        lines.append(line)
    return "\n".join(lines)
