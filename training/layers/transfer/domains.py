"""The source categories, which a model is trained on, and the target categories.

The source is the largest categories that together hold most of the events; targets are the others
with enough events to train and evaluate on. Smaller categories are served by popularity, with the
reason recorded. An item without a category belongs to the source.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penchant.errors import DataError, UsageError
from training.data.histories import IntArray

SOURCE = "source"
TARGET = "target"


@dataclass(frozen=True)
class DomainsConfig:
    """``column``: the level of the category tree. ``source_share``: least share of the events in
    the source. ``targets``: the target categories; by default the others of ``least_events`` or
    more, and none for a source of fewer than ``least_source_events``."""

    column: str = "category_1"
    source_share: float = 0.95
    targets: tuple[str, ...] = ()
    least_events: int = 200
    least_source_events: int = 2000


@dataclass(frozen=True)
class Domains:
    """``domain_I``: of each item, 0 the source, then the categories of ``names`` from 1 on.

    ``too_little``: why a category of ``names`` is no target; the others are.
    """

    names: tuple[str, ...]
    domain_I: IntArray
    too_little: dict[str, str]

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.too_little)

    def items_of(self, *names: str) -> IntArray:
        """Rows of the items of these categories, ascending."""
        return np.flatnonzero(np.isin(self.domain_I, [1 + self.names.index(one) for one in names]))

    @property
    def source_I(self) -> IntArray:
        return np.flatnonzero(self.domain_I == 0)


def domains(items: pa.Table, counts_I: IntArray, config: DomainsConfig) -> Domains:
    """The source and the targets of a catalogue. ``counts_I``: events to learn from, by item.

    Raises UsageError for a named target that is no category, DataError for one without events or of
    a single item that was bought, and for a source of too few events to transfer from.
    """
    categories = _categories(items, config.column)
    names, category_I = np.unique(categories, return_inverse=True)
    counts_C = np.bincount(category_I, counts_I, minlength=len(names))
    events = dict(zip(names.tolist(), counts_C.astype(int).tolist(), strict=True))
    bought = dict(
        zip(names.tolist(), np.bincount(category_I, counts_I > 0).astype(int).tolist(), strict=True)
    )
    if config.targets:
        selected = _named(config, events, bought)
        too_little = {}
    else:
        selected = _small(events, config.source_share)
        too_little = {
            name: why
            for name in selected
            if (why := _too_little(config, events[name], bought[name]))
        }
    source_events = sum(events.values()) - sum(events[name] for name in selected)
    if source_events < config.least_source_events:
        why = f"the source has {source_events} events, fewer than {config.least_source_events}"
        if config.targets:
            raise DataError(
                f"no transfer to {', '.join(selected)}: {why}",
                "name fewer targets, or land more of the source",
            )
        selected, too_little = [], {}
    number = {name: position for position, name in enumerate(selected, 1)}
    domain_C = np.array([number.get(name, 0) for name in names.tolist()])
    return Domains(tuple(selected), domain_C[category_I].astype(np.int64), too_little)


def _categories(items: pa.Table, column: str) -> np.ndarray:
    if column not in items.column_names:
        return np.full(len(items), "")
    return np.array([value or "" for value in items[column].to_pylist()], dtype=str)


def _named(config: DomainsConfig, events: dict[str, int], bought: dict[str, int]) -> list[str]:
    for name in config.targets:
        if not name or name not in events:
            raise UsageError(
                f"no item has the {config.column} {name!r}",
                f"name a target that the catalogue has, such as {max(events, key=events.get)!r}",  # type: ignore[arg-type]
            )
        if events[name] == 0:
            raise DataError(
                f"{name!r} has no events in the training data",
                "wait for its first purchases, or name another target",
            )
        if bought[name] == 1:
            raise DataError(
                f"only one item of {name!r} was bought: there is nothing to rank",
                "name another target",
            )
    return sorted(config.targets)


def _small(events: dict[str, int], source_share: float) -> list[str]:
    """All categories but the largest ones that hold the share of the events."""
    largest_first = sorted((name for name in events if name), key=lambda name: -events[name])
    total = sum(events.values())
    held, small = events.get("", 0), []
    for name in largest_first:
        if held >= source_share * total:
            small.append(name)
        held += events[name]
    return sorted(small)


def _too_little(config: DomainsConfig, events: int, bought: int) -> str:
    if events < config.least_events:
        return f"{events} training events, fewer than {config.least_events}"
    return "" if bought > 1 else "only one of its items was bought"
