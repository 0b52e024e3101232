"""The `private-statistics` stage: popular items and categories, for publication."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from penchant.artifacts import Mechanism, PrivacySpent, Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings
from penchant.storage import write_json
from training.commands.privacy_budget import spend
from training.data.histories import read_dataset
from training.privacy.accounting import Guarantee, calibrated
from training.privacy.noise import Doubles, Noise
from training.privacy.statistics import noisy_sums

NAME = "statistics"
EACH = Mechanism(noise_multiplier=1)
MOST = 100  # items or categories that are published


@dataclass(frozen=True)
class PrivateStatistics:
    """Shares of users' interest, largest first; without those that noise alone could give."""

    path: str
    snapshot_id: str
    privacy: PrivacySpent
    items: dict[str, float]
    categories: dict[str, float]

    def summary(self) -> str:
        return (
            f"{len(self.items)} items and {len(self.categories)} categories in {self.path}, "
            f"for epsilon {self.privacy.epsilon:.3f}"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"privacy": self.privacy.as_dict()}


def private_statistics(
    settings: Settings, snapshot_id: str, to: Path, noise: Noise | None = None
) -> PrivateStatistics:
    """Spend PENCHANT_DP_EPSILON and write the shares of items and categories as JSON.

    Each user counts at most 1 in L2 norm in either, whatever the number of events.

    Raises UsageError without PENCHANT_DP_EPSILON, PrivacyRefused where the budget doesn't allow it.
    """
    if settings.dp_epsilon is None:
        raise UsageError(
            "PENCHANT_DP_EPSILON isn't set: the statistics would have no privacy",
            "set it, and PENCHANT_DP_BUDGET",
        )
    snapshot = Snapshot.checked(settings, snapshot_id)
    guarantee = Guarantee(settings.dp_epsilon, settings.dp_delta)
    of_items, of_categories = calibrated((EACH, EACH), guarantee)
    privacy = spend(settings, snapshot, f"{NAME}-{snapshot.id}", NAME, (of_items, of_categories))
    noise = Noise() if noise is None else noise
    dataset = read_dataset(snapshot)
    events_UI = dataset.histories.matrix(dataset.histories.weights_N)
    names = [name or "none" for name in dataset.items["category_1"].to_pylist()]
    categories, category_I = np.unique(names, return_inverse=True)
    places = np.ones(len(names), np.float32), (np.arange(len(names)), category_I)
    events_UC = (events_UI @ sp.csr_matrix(places)).tocsr()
    published = PrivateStatistics(
        str(to),
        snapshot.id,
        privacy,
        shares(noisy_sums(events_UI, of_items, noise), of_items, dataset.item_ids),
        shares(noisy_sums(events_UC, of_categories, noise), of_categories, categories.tolist()),
    )
    write_json(to, {name: value for name, value in published.as_dict().items() if name != "path"})
    return published


def shares(
    sums_N: Doubles, mechanism: Mechanism, names: tuple[str, ...] | list[str]
) -> dict[str, float]:
    """Shares by name, of the ``MOST`` largest sums that are above what noise alone gives in any."""
    noise = mechanism.noise_multiplier * np.sqrt(2 * np.log(len(sums_N) + 1))
    largest = [place for place in np.argsort(-sums_N)[:MOST] if sums_N[place] > noise]
    whole = np.maximum(sums_N, 0)[sums_N > noise].sum()
    return {names[place]: round(float(sums_N[place] / whole), 6) for place in largest}
