"""The candidate sources of a ranking model, fitted on the histories before a moment."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from training.data.histories import Histories
from training.data.split import Split, Window
from training.fitting.context import TrainingContext
from training.fitting.factory import default_config, make_ranker
from training.fitting.family import Ranker
from training.fitting.progress import no_curve
from training.layers.ranking.source_lists import Catalogue, Depth, SourceLists, lists_of

OF_EVERYBODY = "popularity"  # the family whose list is the same for all users


@dataclass(frozen=True)
class Source:
    """A family as a candidate source. ``settings``: of its config, where they differ from the
    defaults, with one value for each parameter that it would tune. ``min_buyers``: of the items
    that it lists. ``candidates``: the first of a list that are ranked; scores and ranks are
    features of the others too. ``fit_every``: so many of the fortnights that the trees learn from;
    in those between, the last fit observes what has happened since."""

    family: str
    depth: Depth
    candidates: int = 200
    min_buyers: int = 1
    fit_every: int = 1
    settings: tuple[tuple[str, float | int | tuple[float, ...]], ...] = ()

    @property
    def key(self) -> Literal["user", "all"]:
        """What a list is of: a user, or everybody."""
        return "all" if self.family == OF_EVERYBODY else "user"


@dataclass
class FittedSource:
    """A source as of a moment: it lists items of ``catalogue``."""

    source: Source
    ranker: Ranker
    catalogue: Catalogue

    @classmethod
    def fit(cls, source: Source, past: Histories, context: TrainingContext) -> "FittedSource":
        """Fit on histories, and on nothing after their end."""
        catalogue = Catalogue.of(past, source.min_buyers)
        known = catalogue.only(past)
        config = replace(default_config(source.family), **dict(source.settings))
        ranker = make_ranker(source.family, config)
        shortest_1 = np.argsort(np.where(known.lengths_U > 0, known.lengths_U, np.inf))[:1]
        unused = Window(known.take(shortest_1), known.take(shortest_1))  # nothing is tuned
        ranker.fit(Split(known, unused, unused), replace(context, window=unused, curve=no_curve))
        return cls(source, ranker, catalogue)

    def observe(self, histories: Histories) -> None:
        self.ranker.observe(self.catalogue.only(histories))

    def lists(self, batch: Histories) -> SourceLists:
        if self.source.key == "all" and len(batch):
            one = lists_of(
                self.ranker.scores, batch.take(np.arange(1)), self.source.depth, self.catalogue
            )
            return SourceLists(
                *(np.repeat(part, len(batch), axis=0) for part in vars(one).values())
            )
        return lists_of(self.ranker.scores, batch, self.source.depth, self.catalogue)
