"""The model families by name; importing this imports no torch.

A new family is one line here and one file, ``training/families/<name>.py``.
"""

from typing import NamedTuple


class FamilyEntry(NamedTuple):
    """A family by name.

    ``serving_cost``: on a scale that only orders families. A costlier family goes live only where
    it is significantly better than the cheaper one that would go live otherwise. ``ranks``: scores
    items for a user. ``combines``: is made of other families' runs and trained after them.
    """

    name: str
    serving_cost: int
    ranks: bool = True
    combines: bool = False


ENTRIES = (
    FamilyEntry("popularity", 10),
    FamilyEntry("item_cf", 20),
    FamilyEntry("user_cf", 30),
    FamilyEntry("content", 40),
    FamilyEntry("word2vec", 50),
    FamilyEntry("glove", 60),
    FamilyEntry("ease", 70),
    FamilyEntry("matrix_factorization", 80),
    FamilyEntry("ncf", 90),
    FamilyEntry("vae", 100),
    FamilyEntry("rnn", 110),
    FamilyEntry("gru", 120),
    FamilyEntry("lstm", 130),
    FamilyEntry("cnn_lstm", 140),
    FamilyEntry("sasrec", 150),
    FamilyEntry("bert4rec", 160),
    FamilyEntry("hstu", 170),
    FamilyEntry("gan", 180),
    FamilyEntry("transfer", 190),
    FamilyEntry("pca_svm", 200, ranks=False),
    FamilyEntry("linear_response", 210, ranks=False),
    FamilyEntry("logistic_response", 220, ranks=False),
    FamilyEntry("bandit", 230, ranks=False),
    FamilyEntry("fusion", 240, combines=True),
)

SERVING_COST = {entry.name: entry.serving_cost for entry in ENTRIES}

FAMILIES = tuple(entry.name for entry in ENTRIES)
RANKERS = tuple(entry.name for entry in ENTRIES if entry.ranks and not entry.combines)
COMBINED = tuple(entry.name for entry in ENTRIES if entry.combines)
