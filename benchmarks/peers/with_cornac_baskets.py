"""cornac: TIFUKNN; the first ten items of each user for the last basket.

Run as ``PYTHON with_cornac_baskets.py FILE SETTINGS``. FILE: JSON, users' lists of baskets of
item numbers, without the basket to predict. SETTINGS: ``asked``, rows of users, and ``model``, the
arguments of the model.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from cornac.data import BasketDataset
from cornac.models import TIFUKNN

K = 10


def main() -> None:
    file, text = sys.argv[1:]
    settings = json.loads(text)
    users = json.loads(Path(file).read_text())
    lines = [
        (str(user), f"{user}-{place}", item)
        for user, baskets in enumerate(users)
        for place, basket in enumerate(baskets)
        for item in basket
    ]
    data = BasketDataset.from_ubi(lines, seed=0)
    model = TIFUKNN(**settings["model"])
    started = time.perf_counter()
    model.fit(data)
    row_of, item_of = data.iid_map, list(data.item_ids)
    found = []
    for user in settings["asked"]:
        history = [[row_of[item] for item in basket] for basket in users[user]]
        scores_I = np.asarray(model.score(data.uid_map[str(user)], history)).ravel()
        best_K = np.argsort(-scores_I, kind="stable")[:K]
        found.append([int(item_of[item]) for item in best_K])
    seconds = time.perf_counter() - started
    print(
        json.dumps({"package": f"cornac {version('cornac')}", "seconds": seconds, "lists": found})
    )


if __name__ == "__main__":
    main()
