"""Next basket: what is tuned on any data set's validation baskets, and the frozen rest.

Ages count baskets. Each list is tried one parameter after the other, the first values first; they
were fixed on Complete Journey and Online Retail, those of the ranker on Online Retail alone,
validation baskets only, before any other table was read. Starting points are those of the papers.
"""

from typing import Any

from training.families import personal_frequency, popularity, tifu_knn, up_cf
from training.layers.repeat.ranker import Config

HALF_LIVES = (15.0, 3.0, 7.0, 30.0, 60.0, 120.0)
START: dict[str, Any] = {
    "popularity": popularity.Config(half_lives_days=HALF_LIVES[:1]),
    "personal_frequency": personal_frequency.Config(half_lives_days=HALF_LIVES[:1]),
    "tifu_knn": tifu_knn.Config(),
    "up_cf": up_cf.Config(window=25),
}
TRIED: dict[str, dict[str, tuple[float, ...]]] = {
    "popularity": {"half_lives_days": HALF_LIVES[1:]},
    "personal_frequency": {"half_lives_days": HALF_LIVES[1:]},
    "tifu_knn": {
        "group_size": (3, 15),
        "group_decay": (0.5, 0.8, 0.9),
        "basket_decay": (0.8, 1.0),
        "own_weight": (0.3, 0.5, 0.9),
        "neighbours": (100, 900),
    },
    "up_cf": {
        "window": (5, 10, 50, 100),
        "asymmetry": (0.0, 0.5, 0.75),
        "locality": (2.0, 5.0, 20.0),
    },
}
TUNING_USERS = 500
TRAINING_BASKETS = 3  # of each user, the newest before the basket that is predicted


def repeat_ranker() -> Config:
    return Config()
