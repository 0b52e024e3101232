"""The model families by name; importing this imports no torch.

A new family is one line here and one file, ``training/families/<name>.py``.
"""

from typing import NamedTuple

from penchant.errors import PrivacyRefused, UsageError


class FamilyEntry(NamedTuple):
    """A family by name.

    ``serving_cost``: on a scale that only orders families. A costlier family goes live only where
    it is significantly better than the cheaper one that would go live otherwise. ``tasks``: the
    modules of ``training/evaluation`` that evaluate it. ``combines``: is made of other families,
    and no member of a combination. ``of_runs``: the combination reads the others' runs, so it is
    trained after them and its own run depends on theirs. ``every_mart``: learns from training sets,
    from the policy log or from a feature service, so that any mart can change its run. ``private``:
    can be trained under differential privacy; its config has a field ``privacy``. ``main_job``:
    False for a family that is trained by name alone, with ``penchant train --family``.
    ``unlearns``: is of counts or in closed form, so that users can be subtracted from it exactly.
    ``starts_warm``: can be fitted from the weights of an earlier run (fitting/parent.py).
    """

    name: str
    serving_cost: int
    tasks: tuple[str, ...] = ("ranking",)
    combines: bool = False
    of_runs: bool = False
    every_mart: bool = False
    private: bool = False
    main_job: bool = True
    unlearns: bool = False
    starts_warm: bool = False


ENTRIES = (
    FamilyEntry("popularity", 10, private=True, unlearns=True),
    FamilyEntry("personal_frequency", 15, private=True, unlearns=True),
    FamilyEntry("item_cf", 20, private=True, unlearns=True),
    FamilyEntry("user_cf", 30, unlearns=True),
    FamilyEntry("tifu_knn", 32, unlearns=True),
    FamilyEntry("up_cf", 34, unlearns=True),
    FamilyEntry("content", 40, ("ranking", "tags")),
    FamilyEntry("word2vec", 50),
    FamilyEntry("glove", 60),
    FamilyEntry("ease", 70, private=True, unlearns=True),
    FamilyEntry("matrix_factorization", 80, private=True, starts_warm=True),
    FamilyEntry("ncf", 90, private=True, starts_warm=True),
    FamilyEntry("vae", 100, ("ranking", "interests", "generation"), starts_warm=True),
    FamilyEntry("rnn", 110, starts_warm=True),
    FamilyEntry("gru", 120, starts_warm=True),
    FamilyEntry("lstm", 130, ("ranking", "interests"), starts_warm=True),
    FamilyEntry("cnn_lstm", 140, ("ranking", "interests"), starts_warm=True),
    FamilyEntry("sasrec", 150, starts_warm=True),
    FamilyEntry("bert4rec", 160, starts_warm=True),
    FamilyEntry("hstu", 170, starts_warm=True),
    FamilyEntry("gan", 180, ("ranking", "interests", "generation")),
    FamilyEntry("transfer", 190, ("ranking", "transfer")),
    FamilyEntry("pca_svm", 200, ("interests",)),
    FamilyEntry("linear_response", 210, ("response",), every_mart=True),
    FamilyEntry("logistic_response", 220, ("response",), every_mart=True),
    FamilyEntry("bandit", 230, ("off_policy_evaluation",), every_mart=True),
    FamilyEntry("lambdamart", 235, combines=True, every_mart=True),
    FamilyEntry("dcn", 237, combines=True, every_mart=True, main_job=False),
    FamilyEntry("fusion", 240, ("ranking", "interests"), combines=True, of_runs=True),
)

SERVING_COST = {entry.name: entry.serving_cost for entry in ENTRIES}
TASKS = {entry.name: entry.tasks for entry in ENTRIES}

FAMILIES = tuple(entry.name for entry in ENTRIES)
MAIN_JOB = tuple(entry.name for entry in ENTRIES if entry.main_job)
RANKERS = tuple(entry.name for entry in ENTRIES if "ranking" in entry.tasks and not entry.combines)
COMBINED = tuple(entry.name for entry in ENTRIES if entry.combines)
OF_RUNS = tuple(entry.name for entry in ENTRIES if entry.of_runs)
UNLEARNS = tuple(entry.name for entry in ENTRIES if entry.unlearns)
STARTS_WARM = tuple(entry.name for entry in ENTRIES if entry.starts_warm)
PRIVATE = tuple(entry.name for entry in ENTRIES if entry.private)
READ_EVERY_MART = tuple(entry.name for entry in ENTRIES if entry.every_mart)


def check_name(name: str) -> None:
    """Raise UsageError when no family has this name."""
    if name not in FAMILIES:
        raise UsageError(f"no model family is called {name!r}", f"use one of {', '.join(FAMILIES)}")


def trainable(dp_epsilon: float | None) -> tuple[str, ...]:
    """The families that may be trained: with a PENCHANT_DP_EPSILON, those that support it."""
    return FAMILIES if dp_epsilon is None else PRIVATE


def check_trainable(name: str, dp_epsilon: float | None) -> None:
    """Raise UsageError when no family has this name, PrivacyRefused when it can't be trained under
    differential privacy and has to be."""
    check_name(name)
    if name not in trainable(dp_epsilon):
        raise PrivacyRefused(
            f"{name} can't be trained under differential privacy, which "
            f"PENCHANT_DP_EPSILON={dp_epsilon:g} asks for",
            f"use one of {', '.join(PRIVATE)}, or unset PENCHANT_DP_EPSILON",
        )
