"""Lists of users by the content of their histories, so that each is made once.

A run asks for the lists of a user several times as of one moment: to validate, to calibrate and to
evaluate, or for the ranked lists and those of the sources that serving reads.
"""

from collections.abc import Sequence

import numpy as np

from training.data.fingerprints import fingerprints
from training.data.histories import Histories
from training.layers.ranking.candidate_sources import FittedSource, Source
from training.layers.ranking.source_lists import SourceLists

MOST_USERS = 20_000  # remembered, 10 kB each
Row = tuple[SourceLists, ...]
"""The lists of one user, by source."""


class RememberedLists:
    """Of fitted sources, until they observe."""

    def __init__(self, sources: Sequence[FittedSource]) -> None:
        self.sources = sources
        self.rows: dict[bytes, Row] = {}

    def of(self, batch: Histories) -> dict[Source, SourceLists]:
        """The lists of each source."""
        keys = fingerprints(batch)
        missing = [place for place, key in enumerate(keys) if key not in self.rows]
        made = [one.lists(batch.take(np.array(missing, np.int64))) for one in self.sources]
        new = dict(zip((keys[place] for place in missing), _rows(made), strict=True))
        found = [new.get(key) or self.rows[key] for key in keys]
        if len(self.rows) + len(new) > MOST_USERS:
            self.rows = {}  # those who were asked for last are asked for again
        self.rows |= new
        return {
            one.source: _joined([row[place] for row in found]) if found else made[place]
            for place, one in enumerate(self.sources)
        }


def _rows(lists: Sequence[SourceLists]) -> list[Row]:
    users = len(lists[0].items_BL) if lists else 0
    return [
        tuple(
            SourceLists(one.items_BL[row : row + 1], one.score_BL[row : row + 1]) for one in lists
        )
        for row in range(users)
    ]


def _joined(rows: Sequence[SourceLists]) -> SourceLists:
    return SourceLists(
        np.concatenate([row.items_BL for row in rows]),
        np.concatenate([row.score_BL for row in rows]),
    )
